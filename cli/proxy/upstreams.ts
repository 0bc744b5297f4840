/** The upstreams, and which of them a connection gets. */
import type { Socket } from "node:net";
import { performance } from "node:perf_hooks";
import { type Address, formatAddress } from "../address.ts";
import { Balancer, type Policy } from "./balance.ts";
import { codeOf } from "../../lib/support/system-error.ts";
import { dial, isOwnFault } from "./dial.ts";

/** A connection to one of them. */
export interface Leg {
  readonly socket: Socket;
  /** Which one, as it is named in logs and metrics. */
  readonly upstream: string;
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
        const socket = await dial(address, this.#timeoutMs);
        this.#balancer.connected(index);
        return { socket, upstream, release: () => this.#balancer.closed(index) };
      } catch (error) {
        code = codeOf(error) ?? "ERR_SLUICE_FAILED";
        if (isOwnFault(code)) this.#balancer.abandoned(index);
        else this.#balancer.failed(index, performance.now());
        this.#onFailure(upstream, code);
      }
    }
  }
}
