/** Nothing of a response is committed before its first bytes are certain: whatever a name turns out to stand for. */
import { spawn } from "node:child_process";
import { mkdirSync, symlinkSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { fifo } from "../contract/support/descriptors.ts";
import type { App } from "./support/app.ts";
import { assertSameEvents, both, startPair } from "./support/compare.ts";
import { makeContent } from "./support/content.ts";
import { RawClient } from "./support/raw.ts";

const content = makeContent();
const link = (name: string, target: string) => symlinkSync(target, join(content.folder, name));

const links: Readonly<Record<string, string>> = {
  "a file of sysfs": "/sys/class/net/lo/mtu",
  "a file of procfs": "/proc/sys/kernel/ostype",
  "a file of procfs that can't be read": "/proc/self/mem",
  "a device without an end": "/dev/zero",
  "a device without a byte": "/dev/null",
  "a terminal that isn't there": "/dev/tty",
};
const made: Readonly<Record<string, (path: string) => void>> = {
  "a folder": (path) => mkdirSync(path),
  "an empty file": (path) => writeFileSync(path, ""),
  "a hole": (path) => {
    writeFileSync(path, "");
    truncateSync(path, 100);
  },
  "nothing at all": () => undefined,
};
const names = [...Object.keys(links), ...Object.keys(made)];
for (const [name, target] of Object.entries(links)) link(name, target);
for (const [name, make] of Object.entries(made)) make(join(content.folder, name));

const pair = await startPair({ script: "plain", args: [content.folder] });
const test = suite("first bytes");

/** The whole of what comes, less the moment. */
async function text(app: App, path: string): Promise<string> {
  const client = await RawClient.connect(app);
  using _ = client;
  client.socket.write(`GET ${path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n`);
  return (await client.rest()).toString("latin1").replace(/^date: .*$/im, "Date: NOW");
}

for (const name of names)
  for (const route of ["few", "few-without-end"]) {
    // Without an end neither of these has one.
    if (route === "few-without-end" && name === "a device without an end") continue;
    test(`${name} is answered with a head, and as without the preload, by /${route}`, async () => {
      const id = `${route} ${name}`;
      const { on, off } = await both(pair, async (app) => ({
        text: await text(app, `/${route}/${encodeURIComponent(name)}?case=${encodeURIComponent(id)}`),
        log: await app.finished(id),
      }));
      assert.match(on.text, /^HTTP\/1.1 (200|500) /);
      // What it says past its promise, plain Node sends.
      const most = on.text.indexOf("\r\n\r\n") + 4 + 10;
      assert.is(on.text.slice(0, most), off.text.slice(0, most));
      if (route === "few") assertSameEvents({ on: on.log, off: off.log });
    });
  }

test("a FIFO is answered with what its writer writes", async () => {
  for (const app of [pair.on, pair.off]) {
    // One for each: who still has it open would take what is written for the other.
    const path = fifo(content.folder);
    const name = path.slice(content.folder.length + 1);
    const writer = spawn("sh", ["-c", 'printf 0123456789 > "$0"', path]);
    const answer = await text(app, `/few-without-end/${name}?case=fifo`);
    writer.kill();
    assert.match(answer, /^HTTP\/1.1 200 /);
    assert.match(answer, /\r\n\r\n0123456789$/);
  }
});

for (const size of ["1k", "64k", "300k", "16m"] as const)
  test(`a regular file that can't be read is an error without a head, with ${size}`, async () => {
    const { on, off } = await both(pair, async (app) => {
      const id = `unreadable-${size}`;
      return { text: await text(app, `/unreadable/${size}.bin?case=${id}`), log: await app.finished(id) };
    });
    assert.is(on.text, off.text);
    assert.match(on.text, /^HTTP\/1.1 500 /);
    assertSameEvents({ on: on.log, off: off.log });
  });

test.after(async () => await pair[Symbol.asyncDispose]());
test.run();
