/**
 * What this kernel and this pair of filesystems can do, as far as it is known: yes, no or unknown.
 *
 * A "no" is believed only where the errno speaks of the kernel (ENOSYS) or of the filesystem
 * (EOPNOTSUPP, EXDEV). EINVAL and EPERM may be the fault of one descriptor and are never remembered.
 */
import type { Endpoint } from "./endpoint.ts";
import type { Strategy } from "./kernel.ts";

export type Ability = "yes" | "no" | "unknown";

export interface Capability {
  readonly ability: Ability;
  readonly reason: string;
}

type Scope = "kernel" | "pair";

const lasting: Readonly<Record<string, Scope>> = { ENOSYS: "kernel", EOPNOTSUPP: "pair", EXDEV: "pair" };

/** Filesystem pairs remembered before all of it is dropped; it is relearnt in one call each. */
const memory = 256;

export class Capabilities {
  readonly #kernel = new Map<Strategy, Capability>();
  readonly #pairs = new Map<string, Capability>();

  /** Records what a probe or the loading of the library found out about the whole machine. */
  declare(strategy: Strategy, ability: Ability, reason: string): void {
    this.#kernel.set(strategy, { ability, reason });
  }

  /** What is known of a strategy on this machine. */
  of(strategy: Strategy): Capability {
    return this.#kernel.get(strategy) ?? { ability: "unknown", reason: "not probed yet" };
  }

  /** What is known of a strategy between two ends; the pair's knowledge before the machine's. */
  between(strategy: Strategy, source: Endpoint, target: Endpoint): Capability {
    const machine = this.of(strategy);
    if (machine.ability === "no" || this.#pairs.size === 0) return machine;
    return this.#pairs.get(pairKey(strategy, source, target)) ?? machine;
  }

  /** Learns from an attempt: an errno name when it was refused, undefined when it moved bytes. */
  learn(strategy: Strategy, source: Endpoint, target: Endpoint, code: string | undefined): void {
    if (strategy === "portable") return;
    if (code === undefined) {
      if (this.of(strategy).ability === "unknown") this.declare(strategy, "yes", "seen at work");
      return;
    }
    const scope = lasting[code];
    if (scope === "kernel") this.declare(strategy, "no", `the kernel answered ${code}`);
    else if (scope === "pair" && isKnownFile(source) && isKnownFile(target)) {
      if (this.#pairs.size >= memory) this.#pairs.clear();
      this.#pairs.set(pairKey(strategy, source, target), {
        ability: "no",
        reason: `these filesystems answered ${code}`,
      });
    }
  }
}

/** Sockets and pipes share a device number that says nothing of what they can do. */
function isKnownFile({ kind, identity }: Endpoint): boolean {
  return kind === "file" && identity !== undefined;
}

function pairKey(strategy: Strategy, source: Endpoint, target: Endpoint): string {
  return `${strategy} ${source.identity?.device} ${target.identity?.device}`;
}
