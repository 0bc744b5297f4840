/** Errors of the system keep their errno, however a runtime tells it, and the calls of WASI their own. */
import * as fs from "node:fs";
import { join } from "node:path";
import { openFile, transfer } from "sluice";
import { instantiateFallback, instantiatePlugin, wasiImports } from "sluice/wasi";
import { assert, test } from "../support/contract.ts";
import { tempFolder } from "../support/temp.ts";
import { data } from "./support/files.ts";
import { failure } from "./support/outcome.ts";

/** Past the end of every file that the filesystem takes. */
const far = Number.MAX_SAFE_INTEGER - 100;

/** The part of wasi:filesystem's descriptor that is tried here; an error of it carries a payload. */
interface Descriptor {
  openAt(pathFlags: object, path: string, openFlags: object, flags: object): Descriptor;
  unlinkFileAt(path: string): void;
  removeDirectoryAt(path: string): void;
  renameAt(path: string, target: Descriptor, to: string): void;
  write(bytes: Uint8Array, offset: bigint): bigint;
  setSize(size: bigint): void;
}

function answerOf(call: () => unknown): unknown {
  try {
    call();
    return "done";
  } catch (error) {
    return (error as { readonly payload?: unknown }).payload ?? error;
  }
}

/** The folder as a guest of the host is lent it. */
function lend(folder: string): { readonly descriptor: Descriptor; close(): void } {
  const host = wasiImports({ roots: { "/data": { path: folder, write: true } } });
  const preopens = host.imports["wasi:filesystem/preopens"] as { getDirectories(): [Descriptor, string][] };
  const [first] = preopens.getDirectories();
  if (first === undefined) throw new Error("Nothing is lent");
  return { descriptor: first[0], close: () => host.close() };
}

test("errnos: a file too large is EFBIG by every way", { needs: ["largestFile"] }, async () => {
  const folder = tempFolder();
  const source = join(folder, "source");
  fs.writeFileSync(source, data(100));
  for (const strategy of ["portable", "auto"] as const) {
    const error = await failure(() => transfer(source, join(folder, "target"), { targetOffset: far, strategy }));
    assert.equal([error.code, error.errno, error.bytesTransferred], ["EFBIG", 27, 0], strategy);
  }
  await using channel = await openFile(join(folder, "channel"), "w+");
  const written = await failure(() => channel.write(data(10), far));
  assert.equal([written.code, written.errno], ["EFBIG", 27]);
});

test(
  "errnos: a file too large is an answer to a component, and no trap",
  { needs: ["largestFile", "proc"] },
  async () => {
    const folder = tempFolder();
    fs.writeFileSync(join(folder, "source"), data(100));
    const roots = { "/data": { path: folder, write: true } };
    for (const make of [instantiateFallback, instantiatePlugin]) {
      using guest = await make({ roots });
      const error = await failure(async () => guest.transfer("/data/source", "/data/target", { targetOffset: far }));
      assert.is(error.code, "EFBIG", make.name);
      assert.is(guest.transfer("/data/source", "/data/after").bytes, 100, "the instance goes on");
    }
    const lent = lend(folder);
    const file = lent.descriptor.openAt({}, "source", {}, { read: true, write: true });
    assert.is(
      answerOf(() => file.write(data(10), BigInt(far))),
      "file-too-large",
    );
    assert.is(
      answerOf(() => file.setSize(BigInt(far))),
      "file-too-large",
    );
    lent.close();
  },
);

test("errnos: what can't be written says so", {}, async () => {
  const full = await failure(() => transfer(data(100), "/dev/full", { strategy: "portable" }));
  assert.equal([full.code, full.errno], ["ENOSPC", 28]);
  const folder = tempFolder();
  fs.writeFileSync(join(folder, "file"), "text");
  const fd = fs.openSync(join(folder, "file"), "r");
  assert.is((await failure(() => transfer(data(100), fd, { strategy: "portable" }))).code, "EBADF");
  fs.closeSync(fd);
});

test("errnos: a name is taken away by the call for its kind alone", { needs: ["proc"] }, () => {
  const folder = tempFolder();
  for (const name of ["empty", "full", "full/folder"]) fs.mkdirSync(join(folder, name));
  fs.writeFileSync(join(folder, "file"), "text");
  fs.symlinkSync("empty", join(folder, "link"));
  fs.symlinkSync("nowhere", join(folder, "dangling"));
  const before = fs.readdirSync(folder);
  const { descriptor, close } = lend(folder);
  const unlinks = {
    empty: "is-directory",
    "empty/": "is-directory",
    full: "is-directory",
    "full/folder": "is-directory",
    "full/folder//": "is-directory",
    ".": "is-directory",
    "full/..": "is-directory",
    "file/": "not-directory",
    "link/": "not-directory",
    "file/name": "not-directory",
    missing: "no-entry",
    "missing/": "no-entry",
    "missing/.": "no-entry",
    "../outside": "not-permitted",
  };
  for (const [path, code] of Object.entries(unlinks))
    assert.is(
      answerOf(() => descriptor.unlinkFileAt(path)),
      code,
      `unlink ${path}`,
    );
  const removes = {
    file: "not-directory",
    link: "not-directory",
    dangling: "not-directory",
    full: "not-empty",
    missing: "no-entry",
  };
  for (const [path, code] of Object.entries(removes))
    assert.is(
      answerOf(() => descriptor.removeDirectoryAt(path)),
      code,
      `rmdir ${path}`,
    );
  const renames = [
    ["file", "empty", "is-directory"],
    ["empty", "file", "not-directory"],
    ["empty", "full", "not-empty"],
    ["empty", "empty/in", "invalid"],
  ] as const;
  for (const [from, to, code] of renames)
    assert.is(
      answerOf(() => descriptor.renameAt(from, descriptor, to)),
      code,
      `rename ${from} to ${to}`,
    );
  assert.equal(fs.readdirSync(folder), before, "nothing went");
  assert.equal(fs.readdirSync(join(folder, "full")), ["folder"]);
  for (const path of ["link", "dangling", "file"])
    assert.is(
      answerOf(() => descriptor.unlinkFileAt(path)),
      "done",
      path,
    );
  assert.is(
    answerOf(() => descriptor.removeDirectoryAt("empty/")),
    "done",
  );
  assert.equal(fs.readdirSync(folder), ["full"]);
  close();
});
