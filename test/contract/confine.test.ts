/** What keeps paths beneath a folder: one table of hostile ones, for `file()` and for guests, by each way of resolving. */
import { execFileSync } from "node:child_process";
import * as fs from "node:fs";
import { dirname, join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { runChild } from "../support/child.ts";
import { compiled } from "../support/compiled.ts";
import { assert, test } from "../support/contract.ts";
import { openDescriptors } from "../support/fds.ts";
import type { Need } from "../support/needs.ts";
import { ownCommand } from "../support/self.ts";
import { tempFolder } from "../support/temp.ts";
import { ask } from "./support/fetch.ts";
import { codeOf, lend, textOf } from "./support/guest-folder.ts";
import type { Asked, Told } from "./support/open-confined.ts";
import { startSwapping } from "./support/swapping.ts";

const secret = "SECRET-OUTSIDE-OF-THE-ROOT";
const longest = "n".repeat(255);
const wide = "\u00fc".repeat(127);

/** A root with files that say "inside", beside a secret. */
function tree(): string {
  const base = tempFolder();
  const root = join(base, "root");
  for (const folder of ["sub/deep", "closed"]) fs.mkdirSync(join(root, folder), { recursive: true });
  fs.mkdirSync(join(base, "root-sibling"));
  for (const path of ["secret.txt", "root-sibling/secret.txt"]) fs.writeFileSync(join(base, path), secret);
  for (const path of ["inside.txt", "sub/inside.txt", "closed/inside.txt", "unreadable", longest, wide])
    fs.writeFileSync(join(root, path), "inside");
  const links: Readonly<Record<string, string>> = {
    inner: "sub/inside.txt",
    twice: "inner",
    "sub/up": "../inside.txt",
    "sub/around": "../sub/./deep/../inside.txt",
    folder: "sub/",
    "folder-dot": "./sub/.",
    "of-file": "inside.txt/",
    "of-file-dot": "inside.txt/.",
    out: "..",
    "sub/out": "../../secret.txt",
    sibling: "../root-sibling/secret.txt",
    absolute: join(root, "inside.txt"),
    "absolute-out": join(base, "secret.txt"),
    slash: "/",
    magic: "/proc/self/root",
    loop: "loop",
    ping: "pong",
    pong: "ping",
    "through-loop": "loop/inside.txt",
    nowhere: "none",
    "out-new": "../made",
    "absolute-new": join(base, "made"),
    "in-new": "sub/made",
    "closed-back": "closed/../inside.txt",
    link0: "inside.txt",
  };
  for (const [name, to] of Object.entries(links)) fs.symlinkSync(to, join(root, name));
  for (let step = 1; step <= 41; step++) fs.symlinkSync(`link${step - 1}`, join(root, `link${step}`));
  execFileSync("mkfifo", [join(root, "fifo")]);
  fs.chmodSync(base, 0o755);
  fs.chmodSync(join(root, "closed"), 0o600);
  fs.chmodSync(join(root, "unreadable"), 0o000);
  return root;
}

/** Codes of WASI's, and what file() answers. */
const refusals: Readonly<Record<string, readonly [guest: string, fetch: string]>> = {
  EXDEV: ["not-permitted", "404"],
  ENOENT: ["no-entry", "404"],
  ENOTDIR: ["not-directory", "404"],
  ELOOP: ["loop", "404"],
  ENAMETOOLONG: ["name-too-long", "404"],
  EACCES: ["access", "403"],
  EILSEQ: ["illegal-byte-sequence", "400"],
  EISDIR: ["is-directory", "404"],
  ENXIO: ["no-such-device", "404"],
};

interface Row {
  readonly path: string;
  /** "inside", a kind, or an errno. */
  readonly comes: string;
  /** Where it is another for file(), which reads the path as a URL's. */
  readonly fetch?: string;
  /** Where it is another for the lent engine, whose paths begin with the root's name. */
  readonly lent?: string;
}

const within: readonly string[] = [
  "inside.txt",
  "./inside.txt",
  "sub/inside.txt",
  "sub//inside.txt",
  "sub/up",
  "sub/around",
  "inner",
  "twice",
  "folder/inside.txt",
  "folder/up",
  "folder-dot/inside.txt",
  "link0",
  "link39",
  longest,
  wide,
];

const rows: readonly Row[] = [
  ...within.map((path) => ({ path, comes: "inside" })),
  { path: "sub/../inside.txt", comes: "inside", fetch: "403" },
  { path: "folder/../sub/./inside.txt", comes: "inside", fetch: "403" },
  { path: "folder-dot/../inside.txt", comes: "inside", fetch: "403" },
  ...["sub", "sub/", "folder", "folder/", "folder-dot", "."].map((path) => ({
    path,
    comes: "directory",
    fetch: "404",
  })),
  { path: "sub/..", comes: "directory", fetch: "403" },
  { path: "fifo", comes: "fifo", fetch: "404", lent: "ERR_SLUICE_UNSUPPORTED" },
  { path: "../secret.txt", comes: "EXDEV", fetch: "403" },
  { path: "sub/../../secret.txt", comes: "EXDEV", fetch: "403" },
  { path: "..", comes: "EXDEV", fetch: "403" },
  { path: "/etc/passwd", comes: "EXDEV", lent: "ENOENT" },
  ...["out", "out/secret.txt", "out/root/inside.txt", "sub/out", "sibling", "absolute", "absolute-out", "slash"].map(
    (path) => ({ path, comes: "EXDEV" }),
  ),
  ...["slash/etc/passwd", "magic", "magic/etc/passwd", "out-new"].map((path) => ({ path, comes: "EXDEV" })),
  ...["loop", "ping", "loop/inside.txt", "through-loop", "link41"].map((path) => ({ path, comes: "ELOOP" })),
  ...["inside.txt/", "inside.txt/below", "of-file", "of-file-dot"].map((path) => ({ path, comes: "ENOTDIR" })),
  { path: "inside.txt/.", comes: "ENOTDIR" },
  { path: "inside.txt/../inside.txt", comes: "ENOTDIR", fetch: "403" },
  ...["none", "none/below", "nowhere", "in-new"].map((path) => ({ path, comes: "ENOENT" })),
  ...[`${longest}n`, `${wide}\u00fc`, `sub/${longest}n/x`].map((path) => ({ path, comes: "ENAMETOOLONG" })),
  { path: `${"./".repeat(2042)}inside.txt`, comes: "inside", lent: "ERR_INVALID_ARG_VALUE" },
  { path: `${"./".repeat(2043)}inside.txt`, comes: "ENAMETOOLONG", fetch: "inside", lent: "ERR_INVALID_ARG_VALUE" },
  { path: `${"x/".repeat(3000)}x`, comes: "ENAMETOOLONG", lent: "ERR_INVALID_ARG_VALUE" },
  { path: "inside.txt\0.jpg", comes: "EILSEQ", lent: "ERR_INVALID_ARG_VALUE" },
];

/** What nobody but root may search or read, and a user without privileges asks for. */
const closed: readonly Row[] = [
  ...["closed/inside.txt", "closed/none", "closed-back", "unreadable"].map((path) => ({ path, comes: "EACCES" })),
  { path: "closed/../inside.txt", comes: "EACCES", fetch: "403" },
  { path: "closed", comes: "EACCES" },
  { path: "sub/inside.txt", comes: "inside" },
];

/** Files that a guest would make. */
const made: Readonly<Record<string, string>> = {
  new: "made",
  "sub/new": "made",
  "in-new": "made",
  nowhere: "made",
  "../made": "not-permitted",
  "out/made": "not-permitted",
  "out-new": "not-permitted",
  "absolute-new": "not-permitted",
  loop: "loop",
  "new/": "is-directory",
  "none/": "is-directory",
  "sub/": "is-directory",
  "missing/new": "no-entry",
  "inside.txt/new": "not-directory",
  [`${longest}n`]: "name-too-long",
};

/** What is made up as it is looked at: links that lead by no path at all. */
const magic = ["self/exe", "self/cwd", "self/root/etc/passwd", "self/fd/0", "self/ns/mnt"];

interface Way {
  readonly needs: readonly Need[];
  readonly hasEngine: boolean;
  readonly env?: NodeJS.ProcessEnv;
  wrap(): readonly string[];
}

const ways: Readonly<Record<string, Way>> = {
  "by openat2": { needs: ["engine"], hasEngine: true, wrap: () => [] },
  "with the engine, and without openat2": {
    needs: ["engine", "compiler"],
    hasEngine: true,
    wrap: () => [compiled("without-openat2")],
  },
  "without the engine": { needs: [], hasEngine: false, env: { SLUICE_DISABLE_NATIVE: "1" }, wrap: () => [] },
};

const script = fileURLToPath(new URL("support/open-confined.js", import.meta.url));

async function tell({ wrap, env = {} }: Way, asked: readonly Asked[]): Promise<readonly Told[]> {
  const [program = "", ...rest] = [...wrap(), ...ownCommand(), script, JSON.stringify(asked)];
  const { code, output, stdout } = await runChild([program, ...rest], 30_000, { ...process.env, ...env });
  assert.is(code, 0, output);
  return JSON.parse(stdout) as readonly Told[];
}

function assertTold(told: Told, expected: readonly Row[], hasEngine: boolean): void {
  for (const { path, comes, fetch, lent } of expected) {
    const [guest, status] = refusals[comes] ?? [comes, comes];
    const shown = path.length > 60 ? `${path.slice(0, 60)}... (${path.length})` : path;
    assert.is(told.guest[path], guest, `a guest, ${shown}`);
    assert.is(told.fetch[path], fetch ?? status, `file(), ${shown}`);
    if (!hasEngine) continue;
    const code = comes === "directory" ? "EISDIR" : comes === "EXDEV" ? "EPERM" : comes;
    assert.is(told.lent[path], lent ?? code, `a guest with the engine, ${shown}`);
  }
  assert.equal(told.left, [], "descriptors are left open");
}

const pathsOf = (expected: readonly Row[]): readonly string[] => expected.map(({ path }) => path);

for (const [name, way] of Object.entries(ways)) {
  test(`confinement ${name}: nothing leads out of the root`, { needs: way.needs, timeoutMs: 60_000 }, async () => {
    const root = tree();
    const into = tempFolder();
    const [told, magicTold] = await tell(way, [
      { root, into, paths: pathsOf(rows), made: Object.keys(made) },
      { root: "/proc", into, paths: magic },
    ]);
    assert.ok(told !== undefined && magicTold !== undefined);
    assertTold(told, rows, way.hasEngine);
    assert.equal(told.made, made);
    assert.equal(fs.readdirSync(dirname(root)).sort(), ["root", "root-sibling", "secret.txt"]);
    for (const path of ["new", "sub/new", "sub/made", "none"]) assert.is(fs.statSync(join(root, path)).size, 0, path);
    for (const path of magic) {
      assert.is(magicTold.fetch[path], "404", path);
      assert.match(magicTold.guest[path] ?? "", /^(loop|not-permitted|no-entry)$/, path);
    }
  });

  test(
    `confinement ${name}: a user meets the rights that the kernel would ask for`,
    { needs: [...way.needs, "root"] },
    async () => {
      const [told] = await tell(way, [{ root: tree(), into: tempFolder(), paths: pathsOf(closed), asNobody: true }]);
      assert.ok(told !== undefined);
      assertTold(told, closed, false);
    },
  );

  test(`confinement ${name}: goes over mount points, and back`, { needs: [...way.needs, "tmpfs"] }, async () => {
    const folder = tempFolder("/dev/shm");
    fs.chmodSync(folder, 0o755);
    fs.writeFileSync(join(folder, "inside.txt"), "inside");
    fs.symlinkSync("../../shm", join(folder, "back"));
    fs.symlinkSync("../../../etc/passwd", join(folder, "out"));
    const at = folder.slice("/dev/".length);
    const inside = [`${at}/inside.txt`, `${at}/back/../${at}/inside.txt`];
    const [told] = await tell(way, [{ root: "/dev", into: tempFolder(), paths: [...inside, `${at}/out`] }]);
    assert.ok(told !== undefined);
    assert.equal(
      [...inside, `${at}/out`].map((path) => told.guest[path]),
      ["inside", "inside", "not-permitted"],
    );
    assert.equal([told.fetch[`${at}/inside.txt`], told.fetch[`${at}/out`]], ["inside", "404"]);
  });
}

for (const way of ["native", "portable"] as const) {
  const needs: readonly Need[] = way === "native" ? ["engine"] : [];
  const alone = { alone: true, needs: [...needs, "proc"], timeoutMs: 60_000 } as const;
  const begin = async () => {
    if (way === "portable") process.env["SLUICE_DISABLE_NATIVE"] = "1";
    const root = tree();
    return { root, outside: join(dirname(root), "outside"), swapping: await startSwapping(root, secret) };
  };
  const assertClosed = (root: string) =>
    assert.equal(
      openDescriptors().filter((name) => name.startsWith(dirname(root))),
      [],
    );

  test(`file() never serves a byte from outside while links are swapped in (${way})`, alone, async () => {
    const { root, swapping } = await begin();
    const seen = new Map<string, number>();
    try {
      for (let i = 0; i < 6000; i++) {
        const response = await ask(i % 2 === 0 ? "/swap/page.txt" : "/page.txt", { root });
        const text = await response.text();
        if (response.status === 200) assert.is(text, "inside\n");
        const kind = String(response.status);
        seen.set(kind, (seen.get(kind) ?? 0) + 1);
      }
    } finally {
      await swapping.end();
    }
    assert.ok((seen.get("200") ?? 0) > 0 && (seen.get("404") ?? 0) > 0, JSON.stringify([...seen]));
    assertClosed(root);
  });

  test(`a guest reads and makes nothing outside while links are swapped in (${way})`, alone, async () => {
    const { root, outside, swapping } = await begin();
    const { folder, close } = lend(root);
    const seen = new Map<string, number>();
    const attempt = (path: string, open: object, flags: object) => {
      let kind = "opened";
      try {
        using opened = folder.openAt({ symlinkFollow: true }, path, open, flags);
        if ("read" in flags) assert.is(textOf(opened), "inside\n");
      } catch (error) {
        kind = codeOf(error);
      }
      seen.set(kind, (seen.get(kind) ?? 0) + 1);
    };
    try {
      for (let i = 0; i < 6000; i++) {
        attempt(i % 2 === 0 ? "swap/page.txt" : "page.txt", {}, { read: true });
        attempt(`swap/made-${i % 10}`, { create: true }, { write: true });
      }
    } finally {
      await swapping.end();
    }
    folder[Symbol.dispose]();
    close();
    assert.ok((seen.get("opened") ?? 0) > 0 && (seen.get("not-permitted") ?? 0) > 0, JSON.stringify([...seen]));
    assert.equal(fs.readdirSync(outside), ["page.txt"]);
    assertClosed(root);
  });
}
