/** Takes one connection after the other to an upstream. */
import type { Socket } from "node:net";
import { performance } from "node:perf_hooks";
import { proxy } from "sluice";
import type { ProxyProgress } from "../../core/proxy.ts";
import type { ProxiedConnection } from "./head.ts";
import { formatProxyHead } from "./protocol.ts";
import { type Ended, failureOf, type Result, resultOf } from "./ended.ts";
import type { Observer } from "./metrics.ts";
import type { RelayOptions } from "./options.ts";
import { connectionOf, formatPeer } from "./peers.ts";
import { BadHead, readHead } from "./read-head.ts";
import { SharedSignal } from "./shared-signal.ts";
import { isTrusted, parseTrust, type Trust } from "./trust.ts";
import { type Leg, NoUpstream, type Upstreams } from "./upstreams.ts";

/** Ends before anything was passed on. */
class Turned extends Error {
  readonly end: Result["end"];
  readonly code: string | undefined;
  constructor(end: Result["end"], code?: string) {
    super(end);
    this.end = end;
    this.code = code;
  }
}

/** The connections of a process. */
export class Relay {
  readonly #options: RelayOptions;
  readonly #trust: Trust | undefined;
  readonly #upstreams: Upstreams;
  readonly #observer: Observer;
  readonly #open = new Set<Promise<void>>();
  readonly #end = new SharedSignal();

  constructor(options: RelayOptions, upstreams: Upstreams, observer: Observer) {
    this.#options = options;
    this.#trust = options.acceptHead && parseTrust(options.acceptHead);
    this.#upstreams = upstreams;
    this.#observer = observer;
  }

  /** Takes over an accepted connection of which nothing has been read. Never throws. */
  take(client: Socket): void {
    const open = this.#serve(client);
    this.#open.add(open);
    void open.finally(() => this.#open.delete(open));
  }

  /** Resolves when all connections are over, which are broken off after some time. */
  async drain(timeoutMs: number): Promise<void> {
    const timer = setTimeout(() => this.#end.abort(), timeoutMs);
    while (this.#open.size > 0) await Promise.all(this.#open);
    clearTimeout(timer);
  }

  async #serve(client: Socket): Promise<void> {
    const time = new Date();
    const startMs = performance.now();
    this.#observer.accepted();
    // Until proxy() listens, and after it has let go.
    client.on("error", () => undefined);
    const full = this.#open.size >= this.#options.maxConnections;
    let from = connectionOf(client);
    let leg: Leg | undefined;
    let result: Result;
    try {
      if (full) throw new Turned("full");
      if (this.#trust !== undefined) from = (await this.#readHead(client, this.#trust)) ?? from;
      leg = await this.#connect();
      result = await this.#join(client, leg, from);
    } catch (error) {
      if (!(error instanceof Turned)) throw error;
      result = { bytesUp: 0, bytesDown: 0, end: error.end, code: error.code };
    } finally {
      leg?.socket.destroy();
      leg?.release();
      client.destroy();
    }
    const ended: Ended = {
      time,
      client: from && formatPeer(from.source),
      upstream: leg?.upstream,
      ...result,
      durationMs: performance.now() - startMs,
    };
    this.#observer.ended(ended);
  }

  async #readHead(client: Socket, trust: Trust): Promise<ProxiedConnection | undefined> {
    if (!isTrusted(trust, client)) throw new Turned("untrusted");
    try {
      return await readHead(client, this.#options.connectTimeoutMs);
    } catch (error) {
      throw error instanceof BadHead ? new Turned("bad-head", error.message) : error;
    }
  }

  async #connect(): Promise<Leg> {
    try {
      const leg = await this.#upstreams.connect();
      leg.socket.on("error", () => undefined);
      return leg;
    } catch (error) {
      throw error instanceof NoUpstream ? new Turned("no-upstream", error.code) : error;
    }
  }

  async #join(client: Socket, { socket, upstream }: Leg, from: ProxiedConnection | undefined): Promise<Result> {
    const { sendHead, idleTimeoutMs, timeoutMs, maxBytes, metrics } = this.#options;
    this.#observer.connected(upstream);
    let counted: ProxyProgress = { aToB: 0, bToA: 0 };
    const count = (now: ProxyProgress) => {
      this.#observer.moved(upstream, now.aToB - counted.aToB, now.bToA - counted.bToA);
      counted = now;
    };
    const result = await proxy(client, socket, {
      signal: this.#end,
      idleTimeoutMs,
      timeoutMs,
      maxBytes,
      head: sendHead && formatProxyHead(sendHead, from),
      adopt: true,
      onProgress: metrics ? count : undefined,
    }).then(resultOf, failureOf);
    count({ aToB: result.bytesUp, bToA: result.bytesDown });
    return result;
  }
}
