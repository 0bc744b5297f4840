/** What clients do that mean no good, or don't know what they do: `serve` neither ends, nor leaks, nor tells more than it should. */
import { once } from "node:events";
import { mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import type { Socket } from "node:net";
import { join } from "node:path";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { randomBytes } from "../support/data.ts";
import { tempFolder } from "../support/temp.ts";
import { settles } from "../support/wait.ts";
import {
  connectTo,
  countDescriptors,
  endServers,
  exchange,
  get,
  runtimes,
  type Serving,
  startServe,
  statusOf,
} from "./serving.ts";

const parent = tempFolder();
const site = join(parent, "site");
mkdirSync(join(site, "folder"), { recursive: true });
writeFileSync(join(parent, "secret"), "secret");
writeFileSync(join(site, "small.txt"), "small");
writeFileSync(join(site, "large.bin"), randomBytes(32 * 2 ** 20));
symlinkSync("../secret", join(site, "link"));
symlinkSync("..", join(site, "folder/up"));
symlinkSync("../..", join(site, "folder/out"));

test.after.each(endServers);

const ways = [
  "/../secret",
  "/%2e%2e/secret",
  "/..%2fsecret",
  "/%2e%2e%2fsecret",
  "/folder/../../secret",
  "/folder/..%2f..%2fsecret",
  "/..%5csecret",
  "/%252e%252e%252fsecret",
  "/small.txt%00/../../secret",
  "//secret",
  "/./../secret",
  "/link",
  "/folder/out/secret",
  "/folder/out/",
  "/%c0%ae%c0%ae/secret",
  "/...//secret",
  "http://localhost/../secret",
  `/${"../".repeat(2000)}secret`,
  `/${"a".repeat(5000)}`,
  `/${"a/".repeat(2500)}`,
];

/** Each is a request, and the statuses that may answer it; 0: the connection is closed without an answer. */
const strange: readonly (readonly [what: string, request: string, statuses: readonly number[]])[] = [
  ["no HTTP at all", "\x16\x03\x01\x02\x00\x01\x00\r\n\r\n", [0, 400]],
  ["an unknown method", "HACK / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", [0, 400, 405]],
  ["TRACE", "TRACE /small.txt HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", [0, 400, 405, 501]],
  ["CONNECT", "CONNECT example.org:443 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", [0, 400, 404, 405, 501]],
  ["a huge header", `GET / HTTP/1.1\r\nHost: a\r\nX: ${"x".repeat(100_000)}\r\n\r\n`, [0, 400, 431]],
  ["many headers", `GET / HTTP/1.1\r\nHost: a\r\n${"X: 1\r\n".repeat(20_000)}\r\n`, [0, 400, 431]],
  ["a huge path", `GET /${"a".repeat(100_000)} HTTP/1.1\r\nHost: a\r\n\r\n`, [0, 400, 414, 431]],
  ["no Host", "GET /small.txt HTTP/1.1\r\nConnection: close\r\n\r\n", [200, 400]],
  ["a bad Host", "GET /small.txt HTTP/1.1\r\nHost: a b\r\nConnection: close\r\n\r\n", [200, 400]],
  ["a target that is no path", "GET small.txt HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", [0, 400, 404]],
  ["two lengths", "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", [0, 400]],
];

/** Each is a Range header; the answer is the file, a part of it, or a refusal. */
const ranges = [
  "bytes=99999999999999999999-",
  "bytes=-99999999999999999999",
  "bytes=0-99999999999999999999",
  "bytes=5-4",
  "bytes=-0",
  "bytes=--1",
  "bytes=NaN-",
  "bytes=1e3-",
  "bytes=,,,,",
  "chars=0-1",
  `bytes=${"0-0,".repeat(2500)}0-0`,
  `bytes=${"0-,".repeat(3500)}0-`,
];

/** Waits until no more is open than there was, and says how many are. */
async function assertClosed({ pid }: Serving, before: number): Promise<void> {
  await settles(() => countDescriptors(pid) <= before);
  assert.ok(countDescriptors(pid) <= before, `${countDescriptors(pid)} descriptors are open, ${before} were`);
}

/** Uses the server once, so that it has opened what it keeps: the count of its descriptors. */
async function warmUp(serving: Serving): Promise<number> {
  for (const path of ["/small.txt", "/large.bin", "/folder/", "/missing"]) await get(serving, path);
  const { pid } = serving;
  let last = -1;
  await settles(() => last === (last = countDescriptors(pid)));
  return countDescriptors(pid);
}

for (const runtime of runtimes) {
  const { name } = runtime;

  test(`no path leads out of the folder (${name})`, async () => {
    const serving = await startServe(runtime, site, "--listing");
    const before = await warmUp(serving);
    for (const way of ways) {
      const answer = await get(serving, way);
      assert.ok([400, 403, 404, 414].includes(statusOf(answer)), `${way.slice(0, 60)}: ${answer.slice(0, 100)}`);
      assert.not.match(answer, /\r\n\r\nsecret/);
    }
    assert.not.match(await get(serving, "/folder/"), /href="out/);
    await assertClosed(serving, before);
    assert.is(serving.child.exitCode, null);
  });

  test(`strange requests get a refusal or nothing (${name})`, async () => {
    const serving = await startServe(runtime, site, "--listing");
    const before = await warmUp(serving);
    for (const [what, request, statuses] of strange) {
      const answer = await exchange(serving, request).catch(() => "");
      const status = answer === "" ? 0 : statusOf(answer);
      assert.ok(statuses.includes(status), `${what}: ${answer.slice(0, 200)}`);
      assert.match(await get(serving, "/small.txt"), /\r\n\r\nsmall$/, what);
    }
    await assertClosed(serving, before);
  });

  test(`absurd ranges get the file, a part or 416 (${name})`, async () => {
    const serving = await startServe(runtime, site);
    const before = await warmUp(serving);
    for (const path of ["/small.txt", "/large.bin"])
      for (const range of ranges) {
        const socket = await connectTo(serving);
        socket.write(`GET ${path} HTTP/1.1\r\nHost: a\r\nRange: ${range}\r\nConnection: close\r\n\r\n`);
        const [head] = (await once(socket, "data")) as [Buffer];
        assert.ok(
          [200, 206, 416].includes(statusOf(head.toString("latin1"))),
          `${range.slice(0, 40)}: ${String(head)}`,
        );
        socket.destroy();
      }
    assert.match(await get(serving, "/small.txt"), /\r\n\r\nsmall$/);
    await assertClosed(serving, before);
  });

  test(`100,000 ranges are refused without harm (${name})`, async () => {
    const serving = await startServe(runtime, site);
    const header = `bytes=${Array.from({ length: 100_000 }, (_, i) => `${i * 2}-${i * 2}`).join(",")}`;
    const answer = await get(serving, "/large.bin", { range: header }).catch(() => "");
    assert.ok([Number.NaN, 400, 413, 416, 431].includes(statusOf(answer)), answer.slice(0, 100));
    assert.match(await get(serving, "/small.txt"), /\r\n\r\nsmall$/);
  });

  test(`clients that go at any stage leave nothing behind (${name})`, async () => {
    const serving = await startServe(runtime, site, "--listing");
    const before = await warmUp(serving);
    const request = "GET /large.bin HTTP/1.1\r\nHost: a\r\n\r\n";
    const stages: readonly ((socket: Socket) => Promise<unknown>)[] = [
      async () => undefined,
      async (socket) => socket.write("GET /lar"),
      async (socket) => socket.write(request.slice(0, -2)),
      async (socket) => socket.write(request),
      async (socket) => socket.write(request.repeat(20)),
      async (socket) => (socket.write(request), once(socket, "data")),
      async (socket) => (socket.end(request), Promise.race([once(socket, "data"), once(socket, "close")])),
      async (socket) => socket.write("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\nhalf"),
    ];
    for (let round = 0; round < 5; round++)
      for (const stage of stages)
        for (const go of ["destroy", "resetAndDestroy"] as const) {
          const socket = await connectTo(serving);
          socket.on("error", () => undefined);
          await stage(socket);
          socket[go]();
        }
    await assertClosed(serving, before);
    assert.match(await get(serving, "/small.txt"), /\r\n\r\nsmall$/);
  });

  test(`500 clients that say nothing, or little, keep nobody out (${name})`, async () => {
    const serving = await startServe(runtime, site);
    const before = await warmUp(serving);
    const sockets = await Promise.all(Array.from({ length: 500 }, () => connectTo(serving)));
    for (const socket of sockets) socket.on("error", () => undefined);
    for (const socket of sockets.slice(250)) socket.write("GET / HTTP/1.1\r\nX: ");
    assert.match(await get(serving, "/small.txt"), /\r\n\r\nsmall$/);
    for (const socket of sockets) socket.destroy();
    await assertClosed(serving, before);
  });

  test(`500 clients that say nothing don't delay the end (${name})`, async () => {
    const serving = await startServe(runtime, site);
    const sockets = await Promise.all(Array.from({ length: 500 }, () => connectTo(serving)));
    for (const socket of sockets) socket.on("error", () => undefined);
    serving.child.kill("SIGTERM");
    assert.equal(await serving.ended, { code: 0, signal: undefined });
    for (const socket of sockets) socket.destroy();
  });
}

test.run();
