/** The components of the package, as JavaScript runs them: jco's module for each, and its parts taken from the .wasm. */
import { existsSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { TransferError } from "../../core/error.ts";
import { builtFile } from "../built.ts";

/** A compiled module: what the runtime's WebAssembly.compile() gives. */
export type CoreModule = object;

/** The module that jco makes of a component, with asynchronous instantiation. */
export interface Transpiled {
  instantiate(
    getCoreModule: (name: string) => CoreModule | Promise<CoreModule>,
    imports: Readonly<Record<string, unknown>>,
  ): unknown;
}

interface Shipped extends Transpiled {
  /** Where in the .wasm each core module lies, as offset and length; in base64 what jco has added. */
  readonly coreModules: Readonly<Record<string, readonly [number, number] | string>>;
  /** The place of the .wasm. */
  readonly component: URL;
}

/** What every runtime has, and only TypeScript's library for browsers knows. */
const { WebAssembly: wasm } = globalThis as unknown as {
  readonly WebAssembly: { compile(bytes: Uint8Array): Promise<CoreModule> };
};

export type ComponentName = "fallback" | "plugin";

export interface Component {
  readonly module: Transpiled;
  coreModule(name: string): Promise<CoreModule>;
}

/** Node 20 knows a feature that the components use (constant expressions) by a flag; later ones have it. */
async function allowExtendedConstants(compile: () => Promise<CoreModule>): Promise<CoreModule> {
  try {
    return await compile();
  } catch (error) {
    const v8 = await import("node:v8");
    try {
      v8.setFlagsFromString("--experimental-wasm-extended-const");
    } catch {
      // Another engine, or a version that has no such flag any more.
      throw error;
    }
    return compile();
  }
}

/** The package that has the components: five megabytes for those alone who run guests. */
const componentsPackage = "@sluice/wasi-components";

const notFound: readonly unknown[] = ["ERR_MODULE_NOT_FOUND", "MODULE_NOT_FOUND"];

/** A clone has built them; beside an installed package they are found by their name, as any dependency is. */
async function importShipped(name: ComponentName): Promise<Shipped> {
  const own = builtFile(`wasm/${name}.js`);
  if (typeof own !== "string" && existsSync(own)) return (await import(own.href)) as Shipped;
  try {
    return (await import(`${componentsPackage}/${name}.js`)) as Shipped;
  } catch (cause) {
    if (!notFound.includes((cause as NodeJS.ErrnoException).code)) throw cause;
    const reason = `its components are a package of their own, which is not installed: npm install ${componentsPackage}`;
    throw new TransferError(`Cannot instantiate ${name}: ${reason}`, { code: "ERR_SLUICE_UNSUPPORTED", cause });
  }
}

async function load(name: ComponentName): Promise<Component> {
  const shipped = await importShipped(name);
  const bytes = readFileSync(fileURLToPath(shipped.component));
  const compiled = new Map<string, Promise<CoreModule>>();
  const compile = (part: string): Promise<CoreModule> => {
    const place = shipped.coreModules[part];
    if (place === undefined) throw new TypeError(`${name}.wasm has no module ${part}`);
    const code =
      typeof place === "string" ? Buffer.from(place, "base64") : bytes.subarray(place[0], place[0] + place[1]);
    return allowExtendedConstants(() => wasm.compile(code));
  };
  return {
    module: shipped,
    coreModule(part) {
      let found = compiled.get(part);
      if (found === undefined) compiled.set(part, (found = compile(part)));
      return found;
    },
  };
}

const loaded = new Map<ComponentName, Promise<Component>>();

/** Loads a component and compiles it, once an isolate; a failure is tried again. */
export function loadComponent(name: ComponentName): Promise<Component> {
  let component = loaded.get(name);
  if (component === undefined) {
    component = load(name);
    loaded.set(name, component);
    component.catch(() => loaded.delete(name));
  }
  return component;
}
