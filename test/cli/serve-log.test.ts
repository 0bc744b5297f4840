/** Services go on without their log: when its reader goes, when nobody reads their errors, when a disk is full. */
import { writeFileSync } from "node:fs";
import { connect, createServer, type Socket } from "node:net";
import { once } from "node:events";
import { join } from "node:path";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { randomBytes } from "../support/data.ts";
import { tempFolder } from "../support/temp.ts";
import { waitFor } from "../support/wait.ts";
import { childrenOf, connectTo, endServers, get, runtimes, type Serving, startServe, statusOf } from "./serving.ts";
import { startService } from "./services.ts";

const site = tempFolder();
const size = 16 * 2 ** 20;
writeFileSync(join(site, "large.bin"), randomBytes(size));
writeFileSync(join(site, "small.txt"), "small");

test.after.each(endServers);

/** A download that is under way, and what of it has come when the connection is over. */
async function startDownload(serving: Serving): Promise<{ readonly socket: Socket; readonly whole: Promise<number> }> {
  const socket = await connectTo(serving);
  let received = 0;
  socket.on("data", (chunk) => (received += chunk.length));
  socket.on("error", () => undefined);
  const whole = once(socket, "close").then(() => received);
  socket.write("GET /large.bin HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
  await waitFor("the first bytes", () => received > 0);
  socket.pause();
  return { socket, whole };
}

const complaint = /sluice: Cannot write the log: [^\n]*\(E\w+\); going on without it\n/g;

/** Asks until the log must have been written to, and more often than a worker that ends could be replaced. */
async function askOften(serving: Serving): Promise<void> {
  for (let i = 0; i < 30; i++) assert.is(statusOf(await get(serving, "/small.txt")), 200, `request ${i}`);
}

for (const runtime of runtimes)
  for (const workers of [[], ["--workers", "2"]]) {
    const what = `${runtime.name}${workers.length > 0 ? ", workers" : ""}`;

    test(`serve goes on when the reader of its log goes, and says so once (${what})`, async () => {
      const serving = await startServe(runtime, site, ...workers);
      const children = childrenOf(serving.pid);
      const { socket, whole } = await startDownload(serving);
      serving.child.stdout?.destroy();
      await askOften(serving);
      await waitFor("it to be said", () => complaint.test(serving.stderr()));
      socket.resume();
      assert.ok((await whole) > size, "the download was cut");
      assert.is(serving.stderr().match(complaint)?.length, 1, serving.stderr());
      assert.is(serving.child.exitCode, null);
      assert.equal(childrenOf(serving.pid), children, "a worker was replaced");
      serving.child.kill("SIGTERM");
      assert.is((await serving.ended).code, 0, serving.stderr());
    });

    test(`serve goes on when nobody reads its errors either (${what})`, async () => {
      const serving = await startServe(runtime, site, ...workers);
      const children = childrenOf(serving.pid);
      serving.child.stdout?.destroy();
      serving.child.stderr?.destroy();
      await askOften(serving);
      assert.equal(childrenOf(serving.pid), children, "a worker was replaced");
      serving.child.kill("SIGTERM");
      assert.is((await serving.ended).code, 0);
    });
  }

for (const runtime of runtimes) {
  test(`serve goes on when its log finds no room (${runtime.name})`, async () => {
    const onFullDisk = ["sh", "-c", 'exec "$@" > /dev/full', "sh"];
    const place = /^Serving .* on (http:\/\/[^ ]*?:(\d+)\/)/m;
    const { service, said } = await startService(runtime, ["serve", site, "--port", "0"], place, onFullDisk);
    const serving = { ...service, url: said[1] ?? "", port: Number(said[2]) };
    await askOften(serving);
    await waitFor("it to be said", () => serving.stderr().includes("ENOSPC"));
    assert.is(serving.stderr().match(complaint)?.length, 1, serving.stderr());
  });

  test(`proxy goes on when the reader of its log goes (${runtime.name})`, async () => {
    const upstream = createServer((socket) => socket.end("hello")).listen(0, "127.0.0.1");
    await once(upstream, "listening");
    const { port } = upstream.address() as { port: number };
    const { service, said } = await startService(runtime, ["proxy", "0", String(port)], /127\.0\.0\.1:(\d+)/);
    service.child.stdout?.destroy();
    for (let i = 0; i < 20; i++) {
      const socket = connect(Number(said[1]), "127.0.0.1");
      const [chunk] = (await once(socket, "data")) as [Buffer];
      assert.is(chunk.toString(), "hello");
      await once(socket, "close");
    }
    await waitFor("it to be said", () => complaint.test(service.stderr()));
    upstream.close();
  });
}

test.run();
