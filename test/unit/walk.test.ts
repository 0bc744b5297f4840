/** The walk that keeps to a folder, step by step: what it asks of the kernel, and that it closes what it has opened. */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { openFlags } from "#core/abi/numbers.js";
import { beginning, nameMax, temporaryName } from "#core/path.js";
import { type Answer, type Opened, type Step, walk } from "#core/walk.js";

const test = suite("walk");

type Tree = { readonly [name: string]: Tree | "file" | `-> ${string}` };

const tree: Tree = {
  file: "file",
  sub: { file: "file", up: "-> ../file", deep: { file: "file" } },
  link: "-> sub/file",
  folder: "-> sub/",
  out: "-> ..",
  absolute: "-> /file",
  loop: "-> loop",
};

/** Answers the steps of a walk from a tree. */
class Kernel {
  readonly open = new Map<number, Tree | string>([[3, tree]]);
  readonly steps: Step[] = [];
  #next = 4;

  #entry(folder: number, name: string): Tree | string | undefined {
    const at = this.open.get(folder);
    if (typeof at !== "object") throw new Error(`${folder} is no open folder`);
    if (name === "" || name === ".") return at;
    assert.not.match(name, "/", "a name is single");
    assert.is.not(name, "..");
    return at[name];
  }

  answer(step: Step): Answer {
    this.steps.push(step);
    if ("fd" in step) {
      const entry = this.open.get(step.fd);
      if (step.call === "isLink") return { isLink: String(entry).startsWith("-> ") };
      return this.open.delete(step.fd) ? {} : { errno: "EBADF" };
    }
    const found = this.#entry(step.folder, step.name);
    if (found === undefined) return { errno: "ENOENT" };
    const isLink = typeof found === "string" && found.startsWith("-> ");
    if (step.call === "readLink") return isLink ? { text: found.slice(3) } : { errno: "EINVAL" };
    if (step.flags & openFlags.directory && typeof found === "string") return { errno: "ENOTDIR" };
    if (isLink && (step.flags & openFlags.path) === 0) return { errno: "ELOOP" };
    this.open.set(this.#next, found);
    return { fd: this.#next++ };
  }

  run(path: string, flags: number): Opened {
    const steps = walk(3, path, flags);
    let step = steps.next();
    while (step.done !== true) step = steps.next(this.answer(step.value));
    return step.value;
  }
}

function outcome(path: string, flags: number = openFlags.read): unknown {
  const kernel = new Kernel();
  const opened = kernel.run(path, flags);
  const left = [...kernel.open.keys()].filter((fd) => fd !== 3 && fd !== opened);
  assert.equal(left, [], `${path}: left open`);
  return typeof opened === "number" ? kernel.open.get(opened) : opened;
}

const sub = tree["sub"];

const rows: readonly (readonly [path: string, comes: unknown])[] = [
  ["file", "file"],
  ["sub/deep/../../file", "file"],
  ["sub/up", "file"],
  ["link", "file"],
  ["folder/deep/file", "file"],
  ["folder", sub],
  ["sub/..", tree],
  [".", tree],
  ["", "ENOENT"],
  ["none", "ENOENT"],
  ["/file", "EXDEV"],
  ["..", "EXDEV"],
  ["sub/../../file", "EXDEV"],
  ["out", "EXDEV"],
  ["absolute", "EXDEV"],
  ["loop", "ELOOP"],
  ["file/", "ENOTDIR"],
  ["file/.", "ENOTDIR"],
  ["link/", "ENOTDIR"],
  ["file/..", "ENOTDIR"],
];

for (const [path, comes] of rows)
  test(`"${path}" comes to ${typeof comes === "string" ? comes : "a folder"}`, () => {
    assert.equal(outcome(path), comes);
  });

test("a link is opened itself where that is asked for, and not by O_PATH alone", () => {
  assert.is(outcome("link", openFlags.path | openFlags.noFollow), "-> sub/file");
  assert.is(outcome("link", openFlags.path), "file");
  assert.is(outcome("link", openFlags.read | openFlags.noFollow), "ELOOP");
});

test("no file is made by a name with a slash at its end", () => {
  for (const path of ["new/", "file/", "sub/"])
    assert.is(outcome(path, openFlags.write | openFlags.create), "EISDIR", path);
});

test("what a driver throws leaves the walk, which closes what it holds", () => {
  const kernel = new Kernel();
  const steps = walk(3, "sub/deep/file", openFlags.read);
  let step = steps.next();
  for (let count = 0; count < 2 && step.done !== true; count++) step = steps.next(kernel.answer(step.value));
  const failure = new Error("a bug");
  let thrown: unknown;
  try {
    step = steps.throw(failure);
    while (step.done !== true) step = steps.next(kernel.answer(step.value));
  } catch (error) {
    thrown = error;
  }
  assert.is(thrown, failure);
  assert.equal([...kernel.open.keys()], [3]);
});

test("a temporary's name is short, and cut between characters", () => {
  assert.is(beginning("aü€😀", 3), "aü");
  assert.is(beginning("aü€😀", 9), "aü€");
  assert.is(beginning("aü€😀", 10), "aü€😀");
  const name = temporaryName("😀".repeat(60), "0".repeat(36));
  assert.ok(Buffer.byteLength(name) < nameMax);
  assert.is(Buffer.from(name).toString(), name);
});

test.run();
