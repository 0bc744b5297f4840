/** What `file()` must never serve: anything outside of its root. */
import * as fs from "node:fs";
import { join } from "node:path";
import { assert, test } from "../support/contract.ts";
import { tempFolder } from "../support/temp.ts";
import { ask, exchange, request, serveFiles } from "./support/fetch.ts";

const secret = "SECRET-OUTSIDE-OF-THE-ROOT";

/** A root with a secret beside it, and links out of it. */
function site(): { base: string; root: string } {
  const base = tempFolder();
  const root = join(base, "root");
  fs.mkdirSync(join(root, "sub/deep"), { recursive: true });
  fs.mkdirSync(join(base, "root-sibling"));
  for (const path of ["secret.txt", "root-sibling/secret.txt"]) fs.writeFileSync(join(base, path), secret);
  for (const path of ["inside.txt", "sub/inside.txt", "100% & ü.txt", ".hidden", "%41.txt", "a\\b.txt"])
    fs.writeFileSync(join(root, path), "inside");
  fs.mkdirSync(join(root, ".git"));
  fs.writeFileSync(join(root, ".git/config"), "inside");
  fs.symlinkSync("../../secret.txt", join(root, "sub/out.txt"));
  fs.symlinkSync(join(base, "secret.txt"), join(root, "absolute.txt"));
  fs.symlinkSync("..", join(root, "up"));
  fs.symlinkSync("../root-sibling", join(root, "sibling"));
  fs.symlinkSync("loop", join(root, "loop"));
  fs.symlinkSync("/proc/self/root", join(root, "magic"));
  fs.symlinkSync("sub/inside.txt", join(root, "link.txt"));
  fs.symlinkSync("../sub", join(root, "sub/itself"));
  return { base, root };
}

const traversals = [
  "../secret.txt",
  "/../secret.txt",
  "/sub/../../secret.txt",
  "/%2e%2e/secret.txt",
  "/%2E%2E/secret.txt",
  "/.%2e/secret.txt",
  "/..%2fsecret.txt",
  "/%2e%2e%2fsecret.txt",
  "/sub%2f..%2f..%2fsecret.txt",
  "/..%5csecret.txt",
  "/..\\secret.txt",
  "/%252e%252e/secret.txt",
  "/%252e%252e%252fsecret.txt",
  "/..%c0%afsecret.txt",
  "/..%00/secret.txt",
  "/....//secret.txt",
  "/sub/out.txt",
  "/absolute.txt",
  "/up/secret.txt",
  "/up/root/../secret.txt",
  "/sibling/secret.txt",
  "/../root-sibling/secret.txt",
  "/loop",
  "/magic/etc/passwd",
  "//etc/passwd",
  "/etc/passwd",
  "/proc/self/environ",
  "file:///etc/passwd",
] as const;

test("file() refuses every path that leads out of its root", {}, async () => {
  const { root } = site();
  for (const dotfiles of ["ignore", "allow", "deny"] as const)
    for (const path of traversals) {
      const response = await ask(path, { root, dotfiles });
      assert.ok([400, 403, 404].includes(response.status), `${path}: ${response.status}`);
      assert.not.match(await response.text(), secret);
    }
});

test("file() serves what lies within, also by a link", {}, async () => {
  const { root } = site();
  const paths = [
    "/inside.txt",
    "//inside.txt",
    "/./inside.txt",
    "/sub%2finside.txt",
    "/sub/inside.txt?query=../..",
    "/link.txt",
    "/sub/itself/itself/inside.txt",
    "/100%25%20%26%20%C3%BC.txt",
    "/%2541.txt",
    "/a%5cb.txt",
  ];
  for (const path of paths) {
    const response = await ask(path, { root });
    assert.is(response.status, 200, path);
    assert.is(await response.text(), "inside", path);
  }
});

test(
  "file() serves by a root that is a link, and one that is relative to nothing else than the current folder",
  {},
  async () => {
    const { base, root } = site();
    fs.symlinkSync("root", join(base, "linked"));
    assert.is((await ask("/inside.txt", { root: join(base, "linked") }, { method: "HEAD" })).status, 200);
    process.chdir(base);
    assert.is((await ask("/inside.txt", { root: "root" }, { method: "HEAD" })).status, 200);
    assert.is((await ask("/inside.txt", { root: "none" }, { method: "HEAD" })).status, 404);
    assert.is((await ask("/", { root: join(root, "inside.txt") }, { method: "HEAD" })).status, 404);
  },
);

test("file() decodes once, and answers 400 to what can't be decoded", {}, async () => {
  const { root } = site();
  for (const path of ["/%", "/%4", "/%zz", "/%ff", "/%c3%28", "/100% & ü.txt", "/inside.txt%00", "/%00", "/a\0b"])
    assert.is((await ask(path, { root })).status, 400, path);
  // Twice encoded, it is a name that doesn't exist.
  assert.is((await ask("/%2569nside.txt", { root })).status, 404);
});

test("file() ignores, denies or allows names that begin with a dot", {}, async () => {
  const { root } = site();
  for (const path of ["/.hidden", "/.git/config", "/sub/%2e%2fx/.hidden"]) {
    assert.is((await ask(path, { root })).status, 404, path);
    assert.is((await ask(path, { root, dotfiles: "deny" })).status, 403, path);
  }
  for (const path of ["/.hidden", "/.git/config"])
    assert.is(await (await ask(path, { root, dotfiles: "allow" })).text(), "inside", path);
});

test("file() serves /.well-known/ whatever becomes of other names that begin with a dot", {}, async () => {
  const root = tempFolder();
  for (const folder of [".well-known/acme-challenge", ".well-known/.git", "sub/.well-known"]) {
    fs.mkdirSync(join(root, folder), { recursive: true });
    fs.writeFileSync(join(root, folder, "token"), "token");
  }
  fs.writeFileSync(join(root, ".well-known/.env"), "token");
  const hidden = ["/.well-known/.git/token", "/.well-known/.env", "/sub/.well-known/token", "/.well-known-not/token"];
  for (const [dotfiles, status] of [
    ["ignore", 404],
    ["deny", 403],
  ] as const) {
    for (const path of ["/.well-known/acme-challenge/token", "/%2ewell-known/acme-challenge/token"])
      assert.is(await (await ask(path, { root, dotfiles })).text(), "token", path);
    for (const path of hidden) assert.is((await ask(path, { root, dotfiles })).status, status, path);
  }
});

test("file() answers 404 for names longer than any file's", {}, async () => {
  const { root } = site();
  assert.is((await ask(`/${"x".repeat(300)}`, { root })).status, 404);
  assert.is((await ask(`/${"x/".repeat(4000)}`, { root })).status, 404);
});

test("serve() serves no secret to a client that sends such paths as they are", {}, async () => {
  const { root } = site();
  await using server = await serveFiles({ root, dotfiles: "allow" });
  for (const path of traversals) {
    const text = await exchange(server, `GET ${path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`);
    assert.match(text, /^HTTP\/1\.1 [43]0[0-9] /, path);
    assert.not.match(text, secret);
  }
  assert.is((await request(server, "/inside.txt")).status, 200);
});
