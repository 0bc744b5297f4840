/** A process of `sluice ipc` that can be asked about its event loop as well. */

await import(new URL("../../../dist/adapters/cli/ipc/child.js", import.meta.url).href);
// After it: until somebody listens for orders, Node keeps what comes.
await import("../support/probe.ts");
