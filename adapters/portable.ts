/** Sluice where there is neither FFI nor a file system: edge workers and browsers. */
export * from "../lib/public/portable.ts";
