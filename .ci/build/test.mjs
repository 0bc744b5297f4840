// Builds what has changed, and runs the tests of it: test/runner/main.ts says which.
import { BuildError, update } from "./update.mjs";

try {
  await update("engine");
  const { runTests } = await import("../../build/test/runner/main.js");
  await runTests(update);
} catch (error) {
  if (!(error instanceof BuildError)) throw error;
  console.log(`${error.message}\n\n0 passed, 1 failed`);
  process.exitCode = 1;
}
