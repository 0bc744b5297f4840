/** A WebAssembly module that reads from its memory: `load(address)` traps beyond 64 KiB. */
const module = new Uint8Array([
  // magic, version; a function type (i32) -> i32; one function of it; a memory of one page
  0, 97, 115, 109, 1, 0, 0, 0, 1, 6, 1, 96, 1, 127, 1, 127, 3, 2, 1, 0, 5, 3, 1, 0, 1,
  // exported as "load": local.get 0, i32.load8_u
  7, 8, 1, 4, 108, 111, 97, 100, 0, 0, 10, 9, 1, 7, 0, 32, 0, 45, 0, 0, 11,
]);

interface Exports {
  load(address: number): number;
}

/** Loads, until the code is compiled for good, and then beyond the memory. Answers what came of that. */
export async function trap(): Promise<unknown> {
  const { WebAssembly: wasm } = globalThis as unknown as {
    WebAssembly: { instantiate(bytes: Uint8Array): Promise<{ instance: { exports: Exports } }> };
  };
  const { load } = (await wasm.instantiate(module)).instance.exports;
  let sum = 0;
  for (let i = 0; i < 200_000; i++) sum += load(i % 65_536);
  if (sum !== 0) throw new Error("A new memory is zeros");
  try {
    return load(70_000);
  } catch (error) {
    return error;
  }
}
