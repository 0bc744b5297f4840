/** What one isolate knows of its machine: the engine, if there is one, and what the kernel can do. */
import { opcodes } from "../../core/abi/numbers.ts";
import type { Native } from "../../core/abi/abi.ts";
import { Capabilities, type Capability, type CapabilityReport, engineReport } from "../../core/plan/capabilities.ts";
import { errnoName } from "../../core/abi/errno.ts";
import type { CacheMode, Strategy } from "../../core/plan/kernel.ts";
import type { Knowledge } from "../../core/plan/select.ts";
import { strategyNames } from "../../core/plan/strategies.ts";
import { Engine } from "./engine.ts";
import { loadLibrary } from "./library.ts";
import type { Runtime } from "../runtime.ts";
import { debugLog } from "../support/environment.ts";

/** Mechanisms whose probe says nothing. */
const upToFilesystem: readonly Strategy[] = ["reflink", "direct"];

export class Machine {
  readonly runtime: Runtime;
  readonly capabilities = new Capabilities(() => performance.now());
  /** Undefined on the portable path. */
  readonly engine: Engine | undefined;
  /** The bound library, or why there is none. */
  readonly native: Native | string;
  readonly #summary: string;

  constructor(runtime: Runtime) {
    this.runtime = runtime;
    const loaded = loadLibrary(runtime);
    if ("native" in loaded) {
      this.native = loaded.native;
      this.#summary = `loaded from ${loaded.path}`;
      this.engine = new Engine(loaded.native, runtime);
    } else {
      this.native = loaded.reason;
      this.#summary = loaded.reason;
      // A Worker has what its process has.
      if (!runtime.isWorker()) debugLog(runtime)?.(`there is no engine: ${loaded.reason}`);
    }
    this.#probe();
  }

  #probe(): void {
    this.capabilities.declare("portable", "yes", `the API of ${this.runtime.name}`);
    for (const strategy of Object.keys(opcodes) as (keyof typeof opcodes)[]) {
      if (typeof this.native === "string") {
        this.capabilities.declare(strategy, "no", this.native);
        continue;
      }
      const answer = this.native.sluice_probe(opcodes[strategy]);
      if (answer < 0) this.capabilities.declare(strategy, "no", `the kernel answered ${errnoName(-answer)} to a probe`);
      else if (upToFilesystem.includes(strategy))
        this.capabilities.declare(strategy, "unknown", "it depends on the filesystem");
      else this.capabilities.declare(strategy, "yes", "the kernel has the call");
    }
  }

  readonly knowledge: Knowledge = (strategy, source, target) =>
    source === undefined || target === undefined
      ? this.capabilities.of(strategy)
      : this.capabilities.between(strategy, source, target);

  report(): CapabilityReport {
    const entries = strategyNames.map((name) => [name, this.capabilities.of(name)] as const);
    return {
      engine: engineReport(this.engine !== undefined, this.#summary),
      strategies: Object.fromEntries(entries) as Record<Strategy, Capability>,
      cache: this.#cacheModes(),
    };
  }

  #cacheModes(): Record<CacheMode, Capability> {
    const normal = { ability: "yes", reason: "the kernel's own rules" } as const;
    const direct = this.capabilities.of("direct");
    if (typeof this.native === "string") return { normal, direct, dontcache: { ability: "no", reason: this.native } };
    const byKernel = this.native.sluice_uncached_io() === 1;
    const reason = byKernel ? "by RWF_DONTCACHE and posix_fadvise" : "by posix_fadvise behind the transfer";
    return { normal, direct, dontcache: { ability: "yes", reason } };
  }
}

const machines = new WeakMap<Runtime, Machine>();

/** The isolate's one machine, whichever of the package's modules asks first. */
export function machineOf(runtime: Runtime): Machine {
  let machine = machines.get(runtime);
  if (machine === undefined) machines.set(runtime, (machine = new Machine(runtime)));
  return machine;
}

/** The same, or why there is none. */
export function machineFor(runtime: Runtime): Machine | string {
  try {
    return machineOf(runtime);
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}
