/** Tests that need a program of the machine. */
import type { Test } from "uvu";
import { runChild } from "../../support/child.ts";

/** How a program is asked for its version, where that isn't `--version`. */
const versionOf: Readonly<Record<string, string>> = { openssl: "version", kcat: "-V", nginx: "-v", haproxy: "-v" };

const isInstalled = (program: string): Promise<boolean> =>
  runChild([program, versionOf[program] ?? "--version"], 20_000).then(
    // wrk tells its version with an exit code of 1.
    () => true,
    // It could not be started: there is none.
    () => false,
  );

/** Defines a test that is skipped, with the reason, where the program isn't there. */
export async function withProgram(test: Test, program: string, name: string, body: () => Promise<void>): Promise<void> {
  if (await isInstalled(program)) return void test(name, body);
  test.skip(name);
  console.log(`skip ${name}: there is no ${program} program`);
}
