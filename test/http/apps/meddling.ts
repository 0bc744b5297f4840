/** What a test can do to a stream that is under way. */
import { createHash } from "node:crypto";
import type { ReadStream } from "node:fs";
import type { ServerResponse } from "node:http";
import { Writable } from "node:stream";
import { note } from "./recorder.ts";

interface Held {
  readonly id: string;
  /** Of the signal that the source was made with. */
  readonly abort: AbortController;
  readonly source: ReadStream;
  readonly response: ServerResponse;
}

const held = new Map<string, Held>();

const acts: Readonly<Record<string, (held: Held) => unknown>> = {
  pipe: ({ source, response }) => source.pipe(response),
  unpipe: ({ source, response }) => source.unpipe(response),
  pause: ({ source }) => source.pause(),
  resume: ({ source }) => source.resume(),
  destroy: ({ source }) => source.destroy(),
  fail: ({ source }) => source.destroy(Object.assign(new Error("failed on purpose"), { code: "E_PURPOSE" })),
  abort: ({ abort }) => abort.abort(),
  "destroy-response": ({ response }) => response.destroy(),
  "add-listener": ({ id, source }) => {
    let bytes = 0;
    source.on("data", (chunk) => (bytes += chunk.length));
    source.on("end", () => note(id, "added listener", { some: bytes > 0 }));
  },
  /** A second target sees what is read from now on: the tail of the file, which the test can't know the start of. */
  "add-target": ({ id, source }) => {
    const hash = createHash("sha256");
    let bytes = 0;
    const target = new Writable({
      write: (chunk: Buffer, _encoding, callback) => {
        bytes += chunk.length;
        hash.update(chunk);
        callback();
      },
    });
    target.on("finish", () => note(id, "added target", { bytes, sha256: hash.digest("hex") }));
    source.pipe(target);
  },
  state: ({ source }) => ({ bytesRead: source.bytesRead, destroyed: source.destroyed, paused: source.isPaused() }),
};

export function hold(entry: Held): void {
  held.set(entry.id, entry);
}

/** Does ACT to the stream of a case. Answers what could be told of the stream by then. */
export function meddle(id: string, act: string): unknown {
  const found = held.get(id);
  if (found === undefined) throw new Error(`Nothing is held for ${id}`);
  acts[act]?.(found);
  return acts["state"]?.(found);
}
