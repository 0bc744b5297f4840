/** What a file keeps that is replaced as a whole, which file that is, and what is refused before anything is copied. */
import { execFileSync } from "node:child_process";
import * as fs from "node:fs";
import { join } from "node:path";
import { copyFile, transfer } from "sluice";
import { assert, test } from "../support/contract.ts";
import { tempFolder } from "../support/temp.ts";
import { assertBytes, dataFile, MiB } from "./support/files.ts";
import { failure } from "./support/outcome.ts";

/** The two ways to replace a file. */
const ways: readonly (readonly [string, (from: string, to: string) => Promise<unknown>])[] = [
  ["copyFile()", (from, to) => copyFile(from, to)],
  ["transfer() with atomic", (from, to) => transfer(from, to, { atomic: true })],
];

const nobody = 65_534;

const permissionsOf = (path: string) => {
  const { mode, uid, gid } = fs.statSync(path);
  return { mode: (mode & 0o7777).toString(8), uid, gid };
};

for (const [name, replace] of ways) {
  test(`${name} leaves a file its owner, group and mode, as cp does`, { needs: ["root"] }, async () => {
    const folder = tempFolder();
    const { path, content } = dataFile(folder, 1000);
    for (const [uid, gid, mode] of [
      [nobody, nobody, 0o6755],
      [nobody, 0, 0o4711],
      [0, nobody, 0o2755],
      [nobody, nobody, 0o600],
      [nobody, nobody, 0o000],
      [0, 0, 0o6755],
    ] as const) {
      const [ours, theirs] = [join(folder, "ours"), join(folder, "theirs")];
      for (const target of [ours, theirs]) {
        fs.rmSync(target, { force: true });
        fs.writeFileSync(target, "old");
        fs.chownSync(target, uid, gid);
        fs.chmodSync(target, mode);
      }
      await replace(path, ours);
      execFileSync("cp", [path, theirs]);
      assertBytes(fs.readFileSync(ours), content);
      assert.equal(permissionsOf(ours), permissionsOf(theirs));
      assert.equal(permissionsOf(ours), { mode: mode.toString(8), uid, gid });
    }
  });

  test(`${name} leaves a file its extended attributes`, { needs: ["engine", "tar"] }, async () => {
    const folder = tempFolder();
    const { path, content } = dataFile(folder, 1000);
    const target = join(folder, "target");
    fs.writeFileSync(target, "old");
    const archive = join(folder, "archive");
    const tar = (...args: string[]) => execFileSync("tar", ["--directory", folder, ...args], { encoding: "latin1" });
    tar("--format=pax", "--pax-option=SCHILY.xattr.user.note:=kept", "--create", `--file=${archive}`, "target");
    fs.unlinkSync(target);
    tar("--xattrs", "--extract", `--file=${archive}`);
    await replace(path, target);
    assertBytes(fs.readFileSync(target), content);
    assert.match(tar("--xattrs", "--create", "--file=-", "target"), "SCHILY.xattr.user.note=kept\n");
  });

  test(`${name} follows links from the folders that the kernel finds`, {}, async () => {
    const folder = tempFolder();
    const { path, content } = dataFile(folder, 1000);
    fs.mkdirSync(join(folder, "x"));
    fs.mkdirSync(join(folder, "y", "z"), { recursive: true });
    fs.symlinkSync("../y/z", join(folder, "x", "dl"));
    for (const [link, text] of [
      ["self", "../right"],
      ["again", "self"],
      ["far", "../../x/dl/../right"],
      ["absolute", join(folder, "x", "dl", "..", "right").replace("/right", "/../z/../right")],
    ] as const)
      fs.symlinkSync(text, join(folder, "y", "z", link));
    const right = join(folder, "y", "right");
    for (const there of [true, false]) {
      for (const link of ["self", "again", "far"]) {
        fs.writeFileSync(join(folder, "x", "right"), "somebody else's");
        fs.writeFileSync(join(folder, "right"), "somebody else's");
        if (there) fs.writeFileSync(right, "old");
        else fs.rmSync(right, { force: true });
        await replace(path, `${folder}/x/dl/${link}`);
        assertBytes(fs.readFileSync(right), content, link);
        assert.is(fs.readFileSync(join(folder, "x", "right"), "utf8"), "somebody else's");
        assert.is(fs.readFileSync(join(folder, "right"), "utf8"), "somebody else's");
        assert.ok(fs.lstatSync(`${folder}/x/dl/${link}`).isSymbolicLink());
      }
    }
    assert.equal(fs.readdirSync(join(folder, "y")).sort(), ["right", "z"]);
    assert.equal(fs.readdirSync(join(folder, "x")).sort(), ["dl", "right"]);
  });

  test(`${name} takes a path through a symlinked folder and ".."`, {}, async () => {
    const folder = tempFolder();
    const { path, content } = dataFile(folder, 1000);
    fs.mkdirSync(join(folder, "y", "z"), { recursive: true });
    fs.symlinkSync("y/z", join(folder, "dl"));
    fs.writeFileSync(join(folder, "file"), "somebody else's");
    await replace(path, `${folder}/dl/../file`);
    assertBytes(fs.readFileSync(join(folder, "y", "file")), content);
    assert.is(fs.readFileSync(join(folder, "file"), "utf8"), "somebody else's");
  });

  test(
    `${name} of a link to nowhere in a missing folder, and of links in a circle, is the kernel's errno`,
    {},
    async () => {
      const folder = tempFolder();
      const { path } = dataFile(folder, 1000);
      fs.symlinkSync("missing/file", join(folder, "lost"));
      fs.symlinkSync("b", join(folder, "a"));
      fs.symlinkSync("a", join(folder, "b"));
      fs.symlinkSync("new/", join(folder, "slash"));
      const before = fs.readdirSync(folder);
      for (const [to, code] of [
        ["lost", "ENOENT"],
        ["a", "ELOOP"],
        ["slash", "EISDIR"],
      ] as const)
        assert.is((await failure(() => replace(path, join(folder, to)))).code, code);
      assert.equal(fs.readdirSync(folder), before);
    },
  );

  test(`${name} leaves an open file alone that only a link of /proc leads to`, { needs: ["proc"] }, async () => {
    const folder = tempFolder();
    const { path } = dataFile(folder, 1000);
    const fd = fs.openSync(join(folder, "gone"), "w+");
    fs.writeSync(fd, "old");
    fs.unlinkSync(join(folder, "gone"));
    const { code } = await failure(() => replace(path, `/proc/self/fd/${fd}`));
    fs.closeSync(fd);
    assert.is(code, "ERR_SLUICE_UNSUPPORTED");
    assert.is(fs.readdirSync(folder).length, 1);
  });

  for (const [what, letter] of [
    ["the longest names", "n"],
    ["the longest names of more bytes than characters", "é"],
  ] as const)
    test(`${name} makes and replaces files of ${what}`, {}, async () => {
      const folder = tempFolder();
      const { path, content } = dataFile(folder, 1000);
      const longest = letter.repeat(Math.floor(255 / Buffer.byteLength(letter)));
      for (let time = 0; time < 3; time++) {
        await replace(path, join(folder, longest));
        assertBytes(fs.readFileSync(join(folder, longest)), content);
        fs.writeFileSync(join(folder, longest), "old");
      }
      assert.is((await failure(() => replace(path, join(folder, `${longest}${letter}`)))).code, "ENAMETOOLONG");
      assert.is(fs.readdirSync(folder).length, 2);
    });

  test(
    `${name} refuses a file that something is mounted on before it copies`,
    { needs: ["root", "engine"] },
    async () => {
      const folder = tempFolder();
      const { path } = dataFile(tempFolder(), 4 * MiB);
      const [target, other] = [join(folder, "target"), join(folder, "other")];
      fs.writeFileSync(target, "old");
      fs.writeFileSync(other, "mounted");
      execFileSync("mount", ["--bind", other, target], { stdio: "ignore" });
      try {
        const error = await failure(() => replace(path, target));
        assert.is(error.code, "EBUSY");
        assert.is(error.bytesTransferred, 0, "nothing was copied for it");
      } finally {
        execFileSync("umount", [target], { stdio: "ignore" });
      }
      assert.is(fs.readFileSync(target, "utf8"), "old");
      assert.equal(fs.readdirSync(folder).sort(), ["other", "target"]);
    },
  );
}

test(
  "copyFile() with preserve keeps set-id bits only where owner and group are the source's",
  { needs: ["root"] },
  async () => {
    const folder = tempFolder();
    const { path } = dataFile(folder, 1000);
    fs.chmodSync(path, 0o6755);
    const target = join(folder, "target");
    await copyFile(path, target, { preserve: true });
    assert.equal(permissionsOf(target), { mode: "6755", uid: 0, gid: 0 });
    fs.chownSync(path, nobody, 0);
    fs.chmodSync(path, 0o6751);
    // Into a new file, and in the place of one.
    for (let time = 0; time < 2; time++) {
      await copyFile(path, target, { preserve: true });
      assert.equal(permissionsOf(target), { mode: "751", uid: 0, gid: 0 });
    }
  },
);

test(
  "copyFile() with preserve in the place of another user's file keeps that owner, and the source's mode",
  { needs: ["root"] },
  async () => {
    const folder = tempFolder();
    const { path } = dataFile(folder, 1000);
    fs.chmodSync(path, 0o4750);
    fs.utimesSync(path, 5, 7);
    const target = join(folder, "target");
    fs.writeFileSync(target, "old");
    fs.chownSync(target, nobody, nobody);
    await copyFile(path, target, { preserve: true });
    assert.equal(permissionsOf(target), { mode: "750", uid: nobody, gid: nobody });
    assert.is(fs.statSync(target).mtimeMs, 7000);
  },
);

test("a commit that fails tells what had been copied", {}, async () => {
  const folder = tempFolder();
  const { path, content } = dataFile(folder, MiB);
  const target = join(folder, "target");
  // The last report comes when all has been copied, and before the file gets its name.
  const onProgress = (bytes: number) => {
    if (bytes === content.length) fs.mkdirSync(target);
  };
  const error = await failure(() => copyFile(path, target, { onProgress }));
  assert.is(error.code, "EISDIR");
  assert.is(error.bytesTransferred, content.length);
  assert.is(error.attempts.at(-1)?.bytes, content.length);
  assert.equal(fs.readdirSync(folder).length, 2);
});
