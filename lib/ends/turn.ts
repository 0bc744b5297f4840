/** Resolves when the event loop has asked the kernel once more: that lies between one immediate and the next. */
export function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(() => setImmediate(resolve)));
}
