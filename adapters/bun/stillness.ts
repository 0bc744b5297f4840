/**
 * Ends connections that stand still. Bun's http.Server sets no time-outs on connections that it is given, and its sockets'
 * own don't fire while a write is waiting.
 */
import type { Socket } from "node:net";
import type { ServerTimes, Stillness } from "../../lib/fetch/node-server.ts";

/** How long the head of a request may take, as Node's `headersTimeout`. Milliseconds. */
const headMs = 60_000;

/** What is known of a connection. */
interface State {
  isBusy: boolean;
  /** Bytes read and written when something last moved, and when that was. */
  moved: number;
  movedAt: number;
  /** Bytes read when it became idle, and since when there have been more: the head of a request. */
  read: number;
  headSince: number | undefined;
}

/** Bytes that the engine has moved, past the counts of a socket. */
export const movedNatively = new WeakMap<Socket, number>();

const movedBy = (socket: Socket): number => socket.bytesRead + socket.bytesWritten + (movedNatively.get(socket) ?? 0);

export class BunStillness implements Stillness {
  readonly #times: ServerTimes;
  readonly #states = new Map<Socket, State>();
  readonly #timer: NodeJS.Timeout;

  constructor(times: ServerTimes) {
    this.#times = times;
    const shortest = Math.min(...[times.idleTimeoutMs, times.keepAliveTimeoutMs].filter((ms) => ms > 0), headMs);
    // One look at all of them costs less than a timer for each; it may come late by as much.
    this.#timer = setInterval(() => this.#look(), Math.min(1000, Math.max(20, shortest / 4)));
    this.#timer.unref();
  }

  add(socket: Socket): void {
    const now = performance.now();
    const { bytesRead } = socket;
    this.#states.set(socket, {
      isBusy: false,
      moved: movedBy(socket),
      movedAt: now,
      read: bytesRead,
      headSince: now,
    });
    socket.once("close", () => this.#states.delete(socket));
  }

  begin(socket: Socket): void {
    const state = this.#states.get(socket);
    if (state === undefined) return;
    state.isBusy = true;
    state.movedAt = performance.now();
  }

  end(socket: Socket): void {
    const state = this.#states.get(socket);
    if (state === undefined) return;
    state.isBusy = false;
    state.movedAt = performance.now();
    state.read = socket.bytesRead;
    state.headSince = undefined;
  }

  #look(): void {
    const now = performance.now();
    for (const [socket, state] of this.#states) {
      const moved = movedBy(socket);
      if (moved !== state.moved) state.movedAt = now;
      state.moved = moved;
      if (!state.isBusy && socket.bytesRead !== state.read) state.headSince ??= now;
      if (this.#isOver(state, now)) socket.destroy();
    }
  }

  #isOver({ isBusy, movedAt, headSince }: State, now: number): boolean {
    const { idleTimeoutMs, keepAliveTimeoutMs } = this.#times;
    if (!isBusy && headSince !== undefined && now - headSince >= headMs) return true;
    const most = isBusy || headSince !== undefined ? idleTimeoutMs : keepAliveTimeoutMs;
    return most > 0 && now - movedAt >= most;
  }

  stop(): void {
    clearInterval(this.#timer);
  }
}
