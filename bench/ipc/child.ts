/** A process of `sluice ipc` that can be asked about its event loop as well. */
await import("#cli/ipc/child.js");
// After it: until somebody listens for orders, Node keeps what comes.
await import("../support/probe.ts");
