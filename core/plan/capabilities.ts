/**
 * What this kernel and this pair of filesystems can do, as far as it is known: yes, no or unknown.
 *
 * What the kernel lacks, a probe says. An attempt can't: ENOSYS, too, may be the answer of a FUSE server, or of one odd
 * file. So a refusal counts for the two mounts that it came from, once files that have nothing in common have met it, and
 * for a while. Only ENOSYS, EOPNOTSUPP and EXDEV count; EINVAL and EPERM may be the fault of one descriptor.
 */
import type { Endpoint, FileNumber } from "./endpoint.ts";
import type { CacheMode, Strategy } from "./kernel.ts";

export type Ability = "yes" | "no" | "unknown";

export interface Capability {
  readonly ability: Ability;
  readonly reason: string;
}

/** Whether there is an engine; `reason` is why not, in one line, or where it was loaded from. */
export interface EngineCapability extends Capability {
  readonly ability: "yes" | "no";
  /** @deprecated Use `ability`. */
  readonly available: boolean;
}

export const engineReport = (available: boolean, reason: string): EngineCapability => ({
  ability: available ? "yes" : "no",
  reason,
  available,
});

/** What this machine and runtime can do, with the reason for each answer. */
export interface CapabilityReport {
  readonly engine: EngineCapability;
  readonly strategies: Readonly<Record<Strategy, Capability>>;
  /** The modes of the page cache; the filesystem has its say, too. */
  readonly cache: Readonly<Record<CacheMode, Capability>>;
}

const lasting: ReadonlySet<string> = new Set(["ENOSYS", "EOPNOTSUPP", "EXDEV"]);

/** EXDEV within one mount is about what lies beneath these two files: the layers of an overlayfs are several filesystems. */
const isLasting = (code: string, source: Endpoint, target: Endpoint): boolean =>
  lasting.has(code) && (code !== "EXDEV" || mountKey(source) !== mountKey(target));

/** How long a refusal is believed, in milliseconds: modules are loaded, servers replaced, and layers of overlayfs differ. */
const believedMs = 300_000;

/** Filesystem pairs remembered before all of it is dropped; it is relearnt in two calls each. */
const memory = 256;

/** What two mounts have answered. */
interface Refusal {
  readonly capability: Capability;
  readonly until: number;
  /** The inodes that all of the answers have in common, so that one of the files may be odd; undefined where they differ. */
  readonly source: FileNumber | undefined;
  readonly target: FileNumber | undefined;
}

const common = (inode: FileNumber | undefined, { identity }: Endpoint): FileNumber | undefined =>
  inode === identity?.inode ? inode : undefined;

const fits = (inode: FileNumber | undefined, { identity }: Endpoint): boolean =>
  inode === undefined || inode === identity?.inode;

export class Capabilities {
  readonly #kernel = new Map<Strategy, Capability>();
  readonly #pairs = new Map<string, Refusal>();
  readonly #now: () => number;

  /** @param now the time in milliseconds, of a clock that never goes back */
  constructor(now: () => number = Date.now) {
    this.#now = now;
  }

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
    const refusal = this.#pairs.get(pairKey(strategy, source, target));
    if (refusal === undefined || this.#now() >= refusal.until) return machine;
    return fits(refusal.source, source) && fits(refusal.target, target) ? refusal.capability : machine;
  }

  /** Learns from an attempt: an errno name when it was refused, undefined when it moved bytes. */
  learn(strategy: Strategy, source: Endpoint, target: Endpoint, code: string | undefined): void {
    if (strategy === "portable") return;
    if (code === undefined) {
      if (this.of(strategy).ability === "unknown") this.declare(strategy, "yes", "seen at work");
      if (this.#pairs.size > 0) this.#pairs.delete(pairKey(strategy, source, target));
    } else if (isLasting(code, source, target) && isKnownFile(source) && isKnownFile(target)) {
      if (this.#pairs.size >= memory) this.#pairs.clear();
      const key = pairKey(strategy, source, target);
      const known = this.#pairs.get(key);
      this.#pairs.set(key, {
        capability: { ability: "no", reason: `these filesystems answered ${code}` },
        until: this.#now() + believedMs,
        source: known === undefined ? source.identity?.inode : common(known.source, source),
        target: known === undefined ? target.identity?.inode : common(known.target, target),
      });
    }
  }
}

/** Sockets and pipes share a device number that says nothing of what they can do. */
function isKnownFile({ kind, identity }: Endpoint): boolean {
  return kind === "file" && identity !== undefined;
}

/** Device numbers are used again when a filesystem has gone, and so are magic numbers: the id of a mount is not. */
const mountKey = ({ identity, filesystem }: Endpoint): string =>
  `${identity?.device}:${identity?.mount ?? ""}:${filesystem}`;

const pairKey = (strategy: Strategy, source: Endpoint, target: Endpoint): string =>
  `${strategy} ${mountKey(source)} ${mountKey(target)}`;
