// Whether what was built is what would be built now. A step of the build is sealed with digests of what it was made from and
// of what came of it: times of files go backwards (git, rsync, copies), contents don't lie.
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { filesIn, root } from "./files.mjs";

/** The digest of each file. A file that goes while it is looked at is as one that is not there. */
function digestsOf(files) {
  const digests = {};
  for (const file of files) {
    try {
      digests[file] = createHash("sha256")
        .update(readFileSync(join(root, file)))
        .digest("base64");
    } catch (error) {
      if (error.code !== "ENOENT") throw error;
    }
  }
  return digests;
}

const sealOf = ({ name }) => join(root, `build/seals/${name}.json`);

function readSeal(step) {
  try {
    return JSON.parse(readFileSync(sealOf(step), "utf8"));
  } catch (error) {
    // None, or half of one: the step has yet to run to its end.
    if (error.code === "ENOENT" || error instanceof SyntaxError) return undefined;
    throw error;
  }
}

/** The paths at which two sets of digests differ. */
const differences = (one, other) =>
  [...new Set([...Object.keys(one), ...Object.keys(other)])].filter((path) => one[path] !== other[path]);

/** How a step stands: whether its outputs are those of its inputs, and what has changed since it ran. */
export function examine(step) {
  const inputs = digestsOf(filesIn(step.inputs, step.reads));
  const outputs = digestsOf(filesIn(step.outputs));
  const last = readSeal(step);
  const changed = differences(last?.inputs ?? {}, inputs);
  const disturbed = last === undefined || differences(last.outputs, outputs).length > 0;
  // Nothing came of a step whose tools are missing: they may have come since.
  const isFresh = changed.length === 0 && !disturbed && last.succeeded && Object.keys(outputs).length > 0;
  return { isFresh, changed, disturbed, inputs };
}

/** Seals what came of `inputs`. A step that failed is sealed as well: what it left is not disturbed, but not fresh either. */
export function seal(step, inputs, succeeded) {
  const path = sealOf(step);
  mkdirSync(join(root, "build/seals"), { recursive: true });
  const text = JSON.stringify({ succeeded, inputs, outputs: digestsOf(filesIn(step.outputs)) });
  writeFileSync(`${path}.${process.pid}`, text);
  renameSync(`${path}.${process.pid}`, path);
}

/** Whether all of `outputs` are there, and their seal, a file of its own, bears this digest: for what a step makes one by one. */
export function isSealed(path, key, outputs = []) {
  const all = [path, ...outputs].map((each) => join(root, each));
  return all.every((each) => existsSync(each)) && readFileSync(join(root, path), "utf8").split("\n")[0] === key;
}

/** Says of which inputs something was made, once it has been made; notes are for people. */
export function writeSeal(path, key, ...notes) {
  mkdirSync(dirname(join(root, path)), { recursive: true });
  writeFileSync(join(root, path), [key, ...notes, ""].join("\n"));
}
