// Brings what is built up to date: each step of the build that isn't fresh runs, in their order.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { accessSync, constants, existsSync } from "node:fs";
import { join } from "node:path";
import { exclusively } from "./lock.mjs";
import { root } from "./files.mjs";
import { examine, seal } from "./seal.mjs";
import { steps } from "./steps.mjs";

/** A build that can't be done, or failed: its message is all there is to say. */
export class BuildError extends Error {}

/** The steps up to one. */
function upTo(last) {
  const index = steps.findIndex(({ name }) => name === last);
  if (index < 0) throw new BuildError(`There is no step "${last}", but ${steps.map(({ name }) => name).join(", ")}`);
  return steps.slice(0, index + 1);
}

/** Refuses a step that can't run. One that is only examined needs neither tools nor a disk that takes writes. */
function demand({ name, tool, outputs }, { changed }) {
  const why = changed.length > 0 ? `${changed[0]} has changed` : "what was built is gone, or was changed";
  if (tool !== undefined && !existsSync(join(root, "node_modules", tool)))
    throw new BuildError(`${name}: ${why}, and ${tool} is not installed: npm ci installs what the build needs`);
  for (const folder of ["dist", "build", ...outputs].map((each) => (existsSync(join(root, each)) ? each : ".")))
    try {
      accessSync(join(root, folder), constants.W_OK);
    } catch ({ code }) {
      throw new BuildError(`${name}: ${why}, and ${folder} can't be written: ${code}`);
    }
}

async function run({ name, commands }) {
  for (const command of commands) {
    const [code, signal] = await once(spawn(process.execPath, command, { cwd: root, stdio: "inherit" }), "close");
    if (code !== 0) throw new BuildError(`${name}: ${command[0]} ended with ${signal ?? code}`);
  }
}

/** Runs a step until its outputs are those of its inputs: an edit may come while it runs. */
async function complete(step) {
  for (let state = examine(step); !state.isFresh;) {
    const started = performance.now();
    demand(step, state);
    step.prepare?.(state);
    let succeeded = false;
    try {
      await run(step);
      step.finish?.();
      succeeded = true;
    } finally {
      seal(step, state.inputs, succeeded);
    }
    console.log(`${step.name}: ${((performance.now() - started) / 1000).toFixed(1)} s`);
    state = examine(step);
    // Nothing came of it, for want of a tool that may be missing.
    if (state.changed.length === 0) return;
  }
}

/**
 * Builds what has changed, up to a step.
 * @throws BuildError where a step fails, after its own words, or where it can't be tried
 */
export async function update(last = steps.at(-1).name) {
  const wanted = upTo(last);
  // To find that nothing is to be done takes no lock and writes nothing.
  const stale = wanted.findIndex((step) => !examine(step).isFresh);
  if (stale < 0) return;
  await exclusively(async () => {
    for (const step of wanted.slice(stale)) await complete(step);
  });
}
