/** How many contract tests share this process. */
let size = 1;

/** Told by the room that runs them. */
export function sharedBy(tests: number): void {
  size = tests;
}

/** @throws Error where others may have left something behind that is still going away */
export function assertAlone(what: string): void {
  if (size > 1) throw new Error(`${what} is for a test with \`alone: true\``);
}
