/** The upstreams, and which of them a connection gets. */
import { connect, type Socket } from "node:net";
import { performance } from "node:perf_hooks";
import { codeOf } from "sluice/internal";
import { type Address, formatAddress } from "../address.ts";
import { Balancer, type Policy } from "./balance.ts";

/** A connection to one of them. */
export interface Leg {
  readonly socket: Socket;
  /** Which one, as it is named in logs and metrics. */
  readonly upstream: string;
  /** How long it took to make it. */
  readonly connectMs: number;
  /** To be called once, when it is over. */
  release(): void;
}

/** Told of each upstream that a connection could not be made to. */
export type OnFailure = (upstream: string, code: string) => void;

/** None of them could be connected to. */
export class NoUpstream extends Error {
  /** The last one's. */
  readonly code: string;
  constructor(code: string) {
    super(`no upstream can be connected to (${code})`);
    this.code = code;
  }
}

export class Upstreams {
  readonly names: readonly string[];
  readonly #addresses: readonly Address[];
  readonly #balancer: Balancer;
  readonly #timeoutMs: number;
  readonly #onFailure: OnFailure;

  constructor(addresses: readonly Address[], policy: Policy, timeoutMs: number, onFailure: OnFailure) {
    this.#addresses = addresses;
    this.names = addresses.map(formatAddress);
    this.#balancer = new Balancer(policy, addresses.length);
    this.#timeoutMs = timeoutMs;
    this.#onFailure = onFailure;
  }

  /**
   * Connects to one of them, and to another where that fails.
   *
   * @throws NoUpstream when all have been tried
   */
  async connect(): Promise<Leg> {
    const tried = new Set<number>();
    let code = "ECONNREFUSED";
    for (;;) {
      const index = this.#balancer.pick(performance.now(), tried);
      const address = index === undefined ? undefined : this.#addresses[index];
      if (index === undefined || address === undefined) throw new NoUpstream(code);
      const upstream = formatAddress(address);
      tried.add(index);
      try {
        const startMs = performance.now();
        const socket = await dial(address, this.#timeoutMs);
        const connectMs = performance.now() - startMs;
        this.#balancer.connected(index);
        return { socket, upstream, connectMs, release: () => this.#balancer.closed(index) };
      } catch (error) {
        code = codeOf(error) ?? "ERR_SLUICE_FAILED";
        if (isOwnFault(code)) this.#balancer.abandoned(index);
        else this.#balancer.failed(index, performance.now());
        this.#onFailure(upstream, code);
      }
    }
  }
}

/** Of both sides: after a minute of silence, a peer that is gone without a word is found out (tcp(7)). */
export const keepAlive = { keepAlive: true, keepAliveInitialDelay: 60_000, noDelay: true } as const;

/** Codes that speak of this process or machine, and not of the upstream. */
const ownFaults: ReadonlySet<string> = new Set(["EMFILE", "ENFILE", "ENOMEM", "ENOBUFS", "EADDRNOTAVAIL"]);

const isOwnFault = (code: string | undefined): boolean => code !== undefined && ownFaults.has(code);

/** A connection of which nothing has been read. Rejects with the system's error; ETIMEDOUT where it takes too long. */
function dial(address: Address, timeoutMs: number): Promise<Socket> {
  const socket = connect({ ...address, ...keepAlive, allowHalfOpen: true });
  // Some upstreams speak first.
  socket.pause();
  return new Promise((resolve, reject) => {
    const fail = (error: Error) => {
      stop();
      // Its own time-out may follow.
      socket.on("error", () => undefined);
      socket.destroy();
      reject(error);
    };
    const timer = setTimeout(() => {
      fail(Object.assign(new Error(`no answer within ${timeoutMs / 1000} s`), { code: "ETIMEDOUT" }));
    }, timeoutMs);
    const done = () => {
      stop();
      resolve(socket);
    };
    const closed = () => fail(Object.assign(new Error("closed"), { code: "ECONNABORTED" }));
    const stop = () => {
      clearTimeout(timer);
      socket.off("connect", done).off("error", fail).off("close", closed);
    };
    socket.on("connect", done).on("error", fail).on("close", closed);
  });
}
