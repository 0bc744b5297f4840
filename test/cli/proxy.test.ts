/** `sluice proxy` between real clients and real upstreams. */
import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { writeFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import process from "node:process";
import { promisify } from "node:util";
import { test } from "uvu";
import * as assert from "uvu/assert";
import type { Address } from "#cli/address.js";
import { digest, randomBytes, sha256 } from "../support/data.ts";
import { tempFolder } from "../support/temp.ts";
import { waitFor } from "../support/wait.ts";
import {
  clientOf,
  closeUpstreams,
  countWithoutPipes,
  descriptorsReturn,
  echo,
  exchange,
  logOf,
  portOf,
  received,
  startProxy,
  startUpstream,
} from "./proxying.ts";
import { endServices, failToStart, runtimes } from "./services.ts";

const run = promisify(execFile);
const large = randomBytes(16 * 2 ** 20);
const folder = tempFolder();
writeFileSync(join(folder, "large.bin"), large);

test.after.each(async () => {
  await endServices();
  closeUpstreams();
});

/** Answers GET with the large file, and anything else with what it was sent. */
async function startHttp(): Promise<Address> {
  const server = createServer((request, response) => {
    if (request.method === "GET") response.end(large);
    else void digest(request).then((all) => response.end(all.sha256));
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  // Its connections end with those who use it.
  server.unref();
  return { host: "127.0.0.1", port: (server.address() as AddressInfo).port };
}

for (const runtime of runtimes) {
  const { name } = runtime;

  test(`curl gets and posts by HTTP, and leaves no descriptor behind (${name})`, async () => {
    const proxying = await startProxy(runtime, "127.0.0.1:0", [await startHttp()], ["--json-log"]);
    const url = `http://127.0.0.1:${portOf(proxying.address)}/`;
    const curl = (...args: string[]) =>
      run("curl", ["--silent", "--show-error", ...args], { encoding: "buffer", maxBuffer: 2 ** 26 });
    await curl(url);
    const before = countWithoutPipes(proxying);
    for (let i = 0; i < 3; i++) assert.is(sha256((await curl(url)).stdout), sha256(large));
    // Two requests on one connection.
    await curl(url, url, "--output", "/dev/null", "--output", "/dev/null");
    const posted = await curl("--data-binary", `@${join(folder, "large.bin")}`, "--header", "Expect:", url);
    assert.is(posted.stdout.toString(), sha256(large));
    assert.is(await descriptorsReturn(proxying, before), undefined);
    await waitFor("the log", () => logOf(proxying).length === 6);
    const [first, , , , twice, last] = logOf(proxying);
    assert.match(String(first?.["client"]), /^127\.0\.0\.1:\d+$/);
    assert.ok(Number(first?.["bytesDown"]) > large.length && Number(last?.["bytesUp"]) > large.length);
    assert.ok(Number(twice?.["bytesDown"]) > 2 * large.length);
    for (const line of logOf(proxying)) assert.is(line["end"], "ended", JSON.stringify(line));
  });

  test(`Unix sockets and IPv6 on either side, a half-close both ways, bytes and an end before the upstream accepts (${name})`, async () => {
    const path = join(tempFolder(), "in.sock");
    const upstreams = [{ host: "::1", port: 0 }, { path: join(tempFolder(), "up.sock") }];
    for (const [i, listen] of ["[::1]:0", path].entries()) {
      const { address } = await startUpstream(echo("> "), upstreams[i]);
      const proxying = await startProxy(runtime, listen, [address]);
      await exchange(proxying, "warm");
      const before = countWithoutPipes(proxying);
      assert.is((await exchange(proxying, "abc")).toString(), "> abc");
      assert.is(sha256(await exchange(proxying, large)), sha256(Buffer.from("> "), large));
      assert.is((await exchange(proxying, "")).toString(), "> ");
      assert.is(await descriptorsReturn(proxying, before), undefined);
    }
  });

  test(`what the client sends while the upstream is slow to connect to is kept, and another is tried in time (${name})`, async () => {
    // A queue of one that is full: the kernel drops what else wants to connect, which tries again after a second.
    const script = `const server = require("node:net").createServer((socket) => socket.pipe(socket));
      server.listen({ port: 0, host: "127.0.0.1", backlog: 1 }, () => console.log(server.address().port));`;
    const slow = spawn(process.execPath, ["--eval", script], { stdio: ["ignore", "pipe", "inherit"] });
    const [port] = (await once(slow.stdout, "data")) as [Buffer];
    slow.kill("SIGSTOP");
    const address = { host: "127.0.0.1", port: Number(port) };
    const fillers = await Promise.all([1, 2].map(() => clientOf({ address })));
    try {
      const other = await startUpstream(echo("other "));
      const hasty = await startProxy(
        runtime,
        "127.0.0.1:0",
        [address, other.address],
        ["--connect-timeout", "1", "--json-log"],
      );
      assert.is((await exchange(hasty, "abc")).toString(), "other abc");
      const patient = await startProxy(runtime, "127.0.0.1:0", [address], ["--json-log"]);
      const socket = await clientOf(patient);
      const answer = received(socket);
      socket.write("first ");
      const gone = await clientOf(patient);
      gone.end("last words");
      slow.kill("SIGCONT");
      for (const filler of fillers) filler.destroy();
      socket.end("second");
      assert.is((await answer).toString(), "first second");
      await received(gone);
      await waitFor("the log", () => logOf(patient).some(({ bytesUp }) => bytesUp === "last words".length));
      gone.destroy();
    } finally {
      slow.kill("SIGKILL");
    }
  });
}

test("a socket that nobody answers is replaced; one that is answered, and a file, are left alone", async () => {
  const [node] = runtimes;
  if (node === undefined) return assert.unreachable();
  const { address } = await startUpstream(echo("> "));
  const path = join(tempFolder(), "in.sock");
  const killed = await startProxy(node, path, [address]);
  killed.child.kill("SIGKILL");
  await killed.ended;
  const proxying = await startProxy(node, path, [address]);
  assert.is((await exchange(proxying, "abc")).toString(), "> abc");
  for (const taken of [path, join(folder, "large.bin")]) {
    const { code, stderr } = await failToStart(node, "proxy", taken, "127.0.0.1:1");
    assert.is(code, 1);
    assert.match(stderr, /^sluice: Cannot listen on [^\n]*EADDRINUSE[^\n]*\n$/m);
  }
  assert.is((await exchange(proxying, "abc")).toString(), "> abc");
});

test.run();
