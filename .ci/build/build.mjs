// Builds what has changed: node .ci/build/build.mjs [STEP]. A step needs those before it; without one, all are meant.
import { BuildError, update } from "./update.mjs";

try {
  await update(process.argv[2]);
} catch (error) {
  if (!(error instanceof BuildError)) throw error;
  console.error(error.message);
  process.exitCode = 1;
}
