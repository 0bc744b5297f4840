/** A guest in the text format of WebAssembly: it calls sluice:transfer/native with whatever numbers it is told to. */
import { execFileSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { pathToFileURL } from "node:url";
import { root } from "./root.ts";
import { tempFolder } from "./temp.ts";

/** What each function answers: 0 or a handle, else {@link refusal}. */
export interface Hostile {
  open(path: string, write: boolean): number;
  size(handle: number): number;
  read(handle: number, offset: bigint, length: bigint): number;
  setSize(handle: number, size: bigint): number;
  move(source: number, target: number, offset: bigint): number;
  drop(handle: number): void;
}

/** The number by which the guest tells a case of the variant, and of `system` the errno. */
export const refusal = (tag: number, errno = 0): number => 1000 + 100 * tag + errno;

const world = `world hostile {
  import native;
  export open: func(path: string, write: bool) -> u32;
  export size: func(handle: u32) -> u32;
  export read: func(handle: u32, offset: u64, length: u64) -> u32;
  export set-size: func(handle: u32, size: u64) -> u32;
  export move: func(source: u32, target: u32, offset: u64) -> u32;
  export drop: func(handle: u32);
}`;

/** Results lie at 16: the tag there, the case of the error 8 bytes on, its errno 16 bytes on. */
const text = `(module
  (import "sluice:transfer/native@0.1.0" "open" (func $open (param i32 i32 i32 i32)))
  (import "sluice:transfer/native@0.1.0" "[method]handle.size" (func $size (param i32 i32)))
  (import "sluice:transfer/native@0.1.0" "[method]handle.read" (func $read (param i32 i64 i64 i32)))
  (import "sluice:transfer/native@0.1.0" "[method]handle.set-size" (func $set_size (param i32 i64 i32)))
  (import "sluice:transfer/native@0.1.0" "[method]handle.transfer-to"
    (func $transfer_to (param i32 i32 i64 i32 i64 i32 i64 i32 i32 i32)))
  (import "sluice:transfer/native@0.1.0" "[resource-drop]handle" (func $drop (param i32)))
  (memory (export "memory") 64)
  (global $next (mut i32) (i32.const 4096))
  (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32)
    (local $at i32)
    (local.set $at (global.get $next))
    (global.set $next (i32.and (i32.add (i32.add (local.get $at) (local.get 3)) (i32.const 7)) (i32.const -8)))
    (local.get $at))
  (func $told (result i32)
    (global.set $next (i32.const 4096))
    (if (i32.eqz (i32.load8_u (i32.const 16))) (then (return (i32.const 0))))
    (i32.add (i32.const 1000)
      (if (result i32) (i32.load8_u (i32.const 24))
        (then (i32.mul (i32.const 100) (i32.load8_u (i32.const 24))))
        (else (i32.load8_u (i32.const 32))))))
  (func (export "open") (param i32 i32 i32) (result i32)
    (local $code i32)
    (call $open (local.get 0) (local.get 1) (local.get 2) (i32.const 16))
    (local.set $code (call $told))
    (if (local.get $code) (then (return (local.get $code))))
    (i32.load (i32.const 24)))
  (func (export "size") (param i32) (result i32)
    (call $size (local.get 0) (i32.const 16))
    (call $told))
  (func (export "read") (param i32 i64 i64) (result i32)
    (call $read (local.get 0) (local.get 1) (local.get 2) (i32.const 16))
    (call $told))
  (func (export "set-size") (param i32 i64) (result i32)
    (call $set_size (local.get 0) (local.get 1) (i32.const 16))
    (call $told))
  (func (export "move") (param i32 i32 i64) (result i32)
    (call $transfer_to (local.get 0) (local.get 1) (local.get 2) (i32.const 0) (i64.const 0) (i32.const 1) (i64.const 0)
      (i32.const 0) (i32.const 0) (i32.const 16))
    (call $told))
  (func (export "drop") (param i32) (call $drop (local.get 0))))`;

interface Jco {
  componentEmbed(options: object): Promise<Uint8Array>;
  componentNew(core: Uint8Array): Promise<Uint8Array>;
  transpile(component: Uint8Array, options: object): Promise<{ readonly files: Readonly<Record<string, Uint8Array>> }>;
}

const withoutPackage = (wit: string) => wit.replace(/^package .*;$/m, "");

/** Builds the guest with the tools of `npm run build`, and answers the folder that holds hostile.js and its parts. */
export async function buildHostileGuest(): Promise<string> {
  const folder = tempFolder();
  const [source, core] = [join(folder, "hostile.wat"), join(folder, "hostile.wasm")];
  writeFileSync(source, text);
  execFileSync(process.execPath, [join(root, "node_modules/.bin/wasm-as"), source, "-o", core], { stdio: "pipe" });
  const { loadJco } = (await import(pathToFileURL(join(root, "wasm/toolchain.mjs")).href)) as {
    readonly loadJco: () => Promise<Jco>;
  };
  const jco = await loadJco();
  const [types = "", native = ""] = ["types", "native"].map((name) =>
    readFileSync(join(root, `wasm/wit/${name}.wit`), "utf8"),
  );
  const witSource = [types, withoutPackage(native), world].join("\n");
  const embedded = await jco.componentEmbed({ binary: readFileSync(core), witSource, world: "hostile" });
  const component = await jco.componentNew(embedded);
  const { files } = await jco.transpile(component, { name: "hostile", instantiation: "async" });
  writeFileSync(join(folder, "package.json"), '{ "type": "module" }');
  for (const [name, bytes] of Object.entries(files)) {
    if (!name.includes("/")) writeFileSync(join(folder, name), bytes);
  }
  return folder;
}
