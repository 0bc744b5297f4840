/** What may happen to a stream and its target while bytes pass them by, and that Node would respect at once. */
import type { Readable, Writable } from "node:stream";
import { isGone } from "../sinks/connection-end.ts";
import type { Route } from "./route.ts";

/** `gone`: the peer is. */
type OnStop = (reason: string, gone: boolean) => void;

export class Watch {
  readonly #closesWithTarget: boolean;
  readonly #stream: Readable;
  readonly #target: Writable;
  readonly #onStop: OnStop;
  readonly #destroy: Readable["_destroy"];
  /** Whether the stream had a `_destroy` of its own before ours. */
  readonly #ownDestroy: boolean;

  readonly #onPause = () => this.#onStop("the stream was paused", false);
  readonly #onNewListener = (name: string | symbol) => {
    if (name === "data" || name === "readable") this.#onStop("somebody else reads the stream", false);
  };
  readonly #onEnded = () => this.#onStop("the target was ended", false);
  readonly #onUnpipe = (source: unknown) => {
    if (source !== this.#stream) return;
    this.#target.off("unpipe", this.#onUnpipe);
    const gone = isGone(this.#target);
    this.#onStop(gone ? "the target was closed" : "the stream was unpiped", gone);
    // A bare pipe() would leave the file open for good: the most repeated leak of static servers.
    if (gone && this.#closesWithTarget && this.#stream.listenerCount("data") === 0) this.#stream.destroy();
  };

  /** Destroys the stream, which was asked for meanwhile. */
  #destroyed: (() => void) | undefined;
  readonly #stopListening: (() => void) | undefined;

  constructor({ feed, target, sink }: Route, onStop: OnStop) {
    const { stream } = feed;
    this.#closesWithTarget = feed.closesItself && sink.kind !== "file";
    this.#stream = stream;
    this.#target = target;
    this.#onStop = onStop;
    this.#destroy = stream._destroy;
    this.#ownDestroy = Object.hasOwn(stream, "_destroy");
    stream._destroy = (error, callback) => {
      this.#destroyed = () => this.#destroy.call(stream, error, callback);
      this.#onStop("the stream was destroyed", false);
    };
    stream.on("pause", this.#onPause).on("newListener", this.#onNewListener);
    this.#stopListening = sink.onAborted?.(() => this.#onStop("the peer has gone", true));
    target.on("unpipe", this.#onUnpipe).on("prefinish", this.#onEnded);
  }

  /** `over`: the stream needs no care any more. */
  stop(over: boolean): void {
    const stream: Partial<Pick<Readable, "_destroy">> = this.#stream;
    if (this.#ownDestroy) stream._destroy = this.#destroy;
    else delete stream._destroy;
    this.#stream.off("pause", this.#onPause).off("newListener", this.#onNewListener);
    this.#target.off("prefinish", this.#onEnded);
    this.#stopListening?.();
    // Node may only now learn that the target is gone, and unpipe.
    if (over) this.#target.off("unpipe", this.#onUnpipe);
  }

  /** Nothing uses the stream's descriptor any more: what has been held back may go on. */
  release(): void {
    this.#destroyed?.();
  }
}
