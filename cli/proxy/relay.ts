/** Takes one connection after the other to an upstream. */
import type { Socket } from "node:net";
import { performance } from "node:perf_hooks";
import { proxy, type ProxyOptions, type ProxyProgress } from "sluice";
import type { Address } from "../address.ts";
import type { Policy } from "./balance.ts";
import type { ConnectionObserver } from "./connection-metrics.ts";
import { type Ended, failureOf, type LogFormat, type Result, resultOf } from "./ended.ts";
import { connectionOf, formatPeer, isTrusted, parseTrust, type Trust } from "./peers.ts";
import { formatProxyHead, type ProxiedConnection, type ProxyVersion } from "./proxy-head.ts";
import { BadHead, readHead } from "./read-head.ts";
import { type Leg, NoUpstream, type Upstreams } from "./upstreams.ts";

/** What `sluice proxy` is asked for. Data alone: it is sent to workers. */
export interface RelayOptions {
  readonly listen: Address;
  /** Let other processes listen on the same port. */
  readonly reusePort: boolean;
  /** At least one. */
  readonly upstreams: readonly Address[];
  readonly policy: Policy;
  /** For one try of one upstream, and for the head of a connection. */
  readonly connectTimeoutMs: number;
  /** 0: never. */
  readonly idleTimeoutMs: number;
  /** 0: never. */
  readonly timeoutMs: number;
  /** Of each direction; undefined: no limit. */
  readonly maxBytes: number | undefined;
  /** Open connections at a time; more are closed as they come. */
  readonly maxConnections: number;
  /** Tell upstreams by the PROXY protocol who the client is. */
  readonly sendHead: ProxyVersion | undefined;
  /** Where connections come from that begin with a head of the PROXY protocol, as `parseTrust` takes it; undefined: none does. */
  readonly acceptHead: readonly string[] | undefined;
  /** How long connections are waited for at the end. */
  readonly drainMs: number;
  readonly log: LogFormat;
  /** Undefined: standard output. */
  readonly logFile: string | undefined;
  readonly metrics: boolean;
}

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
  readonly #observer: ConnectionObserver;
  readonly #open = new Set<Promise<void>>();
  readonly #end = new SharedSignal();

  constructor(options: RelayOptions, upstreams: Upstreams, observer: ConnectionObserver) {
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
    // Until proxy() listens, and after it has released the socket.
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

  async #join(
    client: Socket,
    { socket, upstream, connectMs }: Leg,
    from: ProxiedConnection | undefined,
  ): Promise<Result> {
    const { sendHead, idleTimeoutMs, timeoutMs, maxBytes, metrics } = this.#options;
    this.#observer.connected(upstream, connectMs);
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

type AbortSignalLike = NonNullable<ProxyOptions["signal"]>;

/** An AbortSignal looks through all its listeners whenever one comes or goes; this one doesn't. */
class SharedSignal implements AbortSignalLike {
  readonly #listeners = new Set<() => void>();
  #aborted = false;

  get aborted(): boolean {
    return this.#aborted;
  }

  get reason(): undefined {
    return undefined;
  }

  addEventListener(_type: "abort", listener: () => void): void {
    this.#listeners.add(listener);
  }

  removeEventListener(_type: "abort", listener: () => void): void {
    this.#listeners.delete(listener);
  }

  abort(): void {
    this.#aborted = true;
    for (const listener of this.#listeners) listener();
    this.#listeners.clear();
  }
}
