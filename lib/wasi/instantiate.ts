/** The functions of `sluice/wasi`, bound to one runtime. */
import process from "node:process";
import type * as Transfer from "../../wasm/types/host/interfaces/sluice-transfer-transfer.d.ts";
import { checkKnown, checkObject, type Names } from "../../core/options.ts";
import { machineOf } from "../engine/machine.ts";
import type { Runtime } from "../runtime.ts";
import { checkLimits } from "./budget.ts";
import { type Component, type CoreModule, loadComponent, type Transpiled } from "./load-component.ts";
import { withEngine } from "./engine-machine.ts";
import { createFilesystem } from "./filesystem.ts";
import { type GuestTransfer, guestTransfer } from "./guest-transfer.ts";
import { hostImports } from "./host-imports.ts";
import { createNativeHost, type NativeHost } from "./native-host.ts";
import { createOpenAt } from "../confine/open-at.ts";
import type { Limits, Roots } from "./options.ts";

export interface WasiOptions {
  readonly roots: Roots;
  readonly limits?: Limits | undefined;
}

export interface ImportOptions extends WasiOptions {
  /** What guests are lent beside their files and clocks: nothing, or the engine (`sluice:transfer/native`). Default "nothing". */
  readonly lend?: "nothing" | "engine" | undefined;
  /** Told what the guest writes to its output and error streams. Default: this process's own error stream. */
  readonly onOutput?: ((bytes: Uint8Array) => void) | undefined;
}

const wasiOptions: Names<WasiOptions> = { roots: true, limits: true };
const importOptions: Names<ImportOptions> = { ...wasiOptions, lend: true, onOutput: true };

/** What a component that jco has transpiled is instantiated with, and what it has open. */
export interface WasiImports extends Disposable {
  /** By the names of interfaces, without versions. */
  readonly imports: Readonly<Record<string, unknown>>;
  /** Files that are open through `sluice:transfer/native`. */
  readonly openHandles: number;
  /** Closes them all. Calls that still come are answered by errors. */
  close(): void;
}

export interface PluginOptions extends WasiOptions {
  /** Another guest than the package's own: what `jco transpile --instantiation async` has made of it. */
  readonly guest?: Guest | undefined;
  readonly onOutput?: ((bytes: Uint8Array) => void) | undefined;
}

export interface Guest {
  readonly module: Transpiled;
  /** Compiles the core module of a name; see the function `instantiate` in what jco makes. */
  coreModule(name: string): CoreModule | Promise<CoreModule>;
}

const pluginOptions: Names<PluginOptions> = { ...wasiOptions, guest: true, onOutput: true };

/** An instance of a guest, and its exports. */
export interface GuestInstance<Exports> extends Disposable {
  readonly exports: Exports;
  readonly openHandles: number;
  close(): void;
}

/** Closes what an instance holds that was not closed, once it is gone. */
const forgotten = new FinalizationRegistry<() => void>((close) => close());

export type Wasi = ReturnType<typeof createWasi>;

export function createWasi(runtime: Runtime) {
  function wasiImports(options: ImportOptions): WasiImports {
    checkKnown(options, importOptions);
    const { roots, limits = {}, lend = "nothing", onOutput = (bytes) => void process.stderr.write(bytes) } = options;
    checkObject(roots);
    const machine = machineOf(runtime);
    const openAt = createOpenAt(machine.native, runtime);
    const checked = checkLimits(limits);
    // A plugin sees its roots through the engine alone: one way in, one place that counts.
    const lending = lend === "engine";
    const native: NativeHost | undefined = lending
      ? createNativeHost(withEngine(machine), openAt, roots, checked)
      : undefined;
    const files = createFilesystem(openAt, lending ? {} : roots, checked);
    const imports = {
      ...hostImports(onOutput),
      ...files.imports,
      ...(native !== undefined && { "sluice:transfer/native": native.interface }),
    };
    const close = () => {
      native?.close();
      files.close();
    };
    return {
      imports,
      get openHandles() {
        return native?.openHandles ?? 0;
      },
      close,
      [Symbol.dispose]: close,
    };
  }

  async function instantiate(component: Guest | Component, host: WasiImports): Promise<unknown> {
    try {
      return await component.module.instantiate((name) => component.coreModule(name), host.imports);
    } catch (error) {
      host.close();
      throw error;
    }
  }

  /** The package's own guests, whose exports are known. */
  async function own(component: Component, host: WasiImports): Promise<GuestTransfer> {
    const { transfer } = (await instantiate(component, host)) as { readonly transfer: typeof Transfer };
    const instance = guestTransfer(transfer, () => {
      forgotten.unregister(host);
      host.close();
    });
    forgotten.register(instance, host.close, host);
    return instance;
  }

  async function instantiatePlugin<Exports>(options: PluginOptions): Promise<GuestTransfer | GuestInstance<Exports>> {
    checkKnown(options, pluginOptions);
    const { guest: ours, ...others } = options;
    const guest = ours ?? (await loadComponent("plugin"));
    const host = wasiImports({ ...others, lend: "engine" });
    if (ours === undefined) return own(guest as Component, host);
    const exports = (await instantiate(guest, host)) as Exports;
    const close = () => {
      forgotten.unregister(host);
      host.close();
    };
    const instance: GuestInstance<Exports> = {
      exports,
      get openHandles() {
        return host.openHandles;
      },
      close,
      [Symbol.dispose]: close,
    };
    forgotten.register(instance, host.close, host);
    return instance;
  }

  return {
    instantiateFallback: async (options: WasiOptions): Promise<GuestTransfer> => {
      checkKnown(options, wasiOptions);
      return own(await loadComponent("fallback"), wasiImports(options));
    },
    instantiatePlugin,
    wasiImports,
  };
}
