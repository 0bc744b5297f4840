/** How `serve` ends, how it keeps its workers, and what it counts meanwhile. */
import { once } from "node:events";
import { writeFileSync } from "node:fs";
import { connect, type Socket } from "node:net";
import { join } from "node:path";
import process from "node:process";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { randomBytes } from "../support/data.ts";
import { tempFolder } from "../support/temp.ts";
import { settles, waitFor } from "../support/wait.ts";
import { childrenOf, connectTo, endServers, get, readMetric, runtimes, type Serving, startServe } from "./serving.ts";

/** Far more than the buffers of a connection hold. */
const size = 64 * 2 ** 20;
const site = tempFolder();
writeFileSync(join(site, "large.bin"), randomBytes(size));
writeFileSync(join(site, "small.txt"), "small");

test.after.each(endServers);

/** Asks for the large file and reads the first bytes of it. */
async function startDownload(serving: Serving): Promise<{ readonly socket: Socket; readonly received: () => number }> {
  const socket = await connectTo(serving);
  let received = 0;
  socket.on("data", (chunk) => (received += chunk.length));
  // It may be broken off.
  socket.on("error", () => undefined);
  socket.write("GET /large.bin HTTP/1.1\r\nHost: a\r\n\r\n");
  await waitFor("the first bytes", () => received > 0);
  socket.pause();
  return { socket, received: () => received };
}

function isRefused({ port }: Serving): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1");
    socket.once("connect", () => resolve(false)).once("error", () => resolve(true));
    socket.once("connect", () => socket.destroy());
  });
}

for (const runtime of runtimes)
  for (const workers of [[], ["--workers", "2"]]) {
    const what = `${runtime.name}${workers.length > 0 ? ", workers" : ""}`;

    for (const signal of ["SIGINT", "SIGTERM"] as const)
      test(`${signal} lets an answer in flight finish, takes no more, and exits 0 (${what})`, async () => {
        const serving = await startServe(runtime, site, ...workers);
        const idle = await connectTo(serving);
        const keptAlive = await connectTo(serving);
        keptAlive.write("GET /small.txt HTTP/1.1\r\nHost: a\r\n\r\n");
        await once(keptAlive, "data");
        const { socket, received } = await startDownload(serving);
        serving.child.kill(signal);
        await waitFor("the port to be closed", () => isRefused(serving));
        assert.is(serving.child.exitCode, null, "it ended before the answer had");
        socket.resume();
        await once(socket, "close");
        assert.ok(received() > size, `${received()} bytes`);
        assert.equal(await serving.ended, { code: 0, signal: undefined }, serving.stderr());
        for (const each of [idle, keptAlive]) each.destroy();
      });

    test(`a second signal ends it at once (${what})`, async () => {
      const serving = await startServe(runtime, site, ...workers);
      const children = childrenOf(serving.pid);
      const { socket } = await startDownload(serving);
      serving.child.kill("SIGINT");
      await waitFor("the first to be heard", () => serving.stderr().includes("Finishing"));
      serving.child.kill("SIGINT");
      const end = await serving.ended;
      assert.ok(end.signal === "SIGINT" || end.code === 130, JSON.stringify(end));
      await waitFor("the workers to end", () => children.every((pid) => !isAlive(pid)));
      socket.destroy();
    });

    test(`/metrics counts requests, bytes by mechanism and what is in flight (${what})`, async () => {
      const serving = await startServe(runtime, site, "--metrics-port", "0", ...workers);
      for (let i = 0; i < 4; i++) await get(serving, "/small.txt");
      await get(serving, "/missing");
      const { socket, received } = await startDownload(serving);
      const { metricsUrl } = serving;
      const text = await (await fetch(metricsUrl)).text();
      const sum = (name: string, label = "") =>
        [...text.matchAll(new RegExp(`^${name}(\\{[^}]*\\})? ([\\d.e+]+)$`, "gm"))]
          .filter(([, labels = ""]) => labels.includes(label))
          .reduce((total, [, , value]) => total + Number(value), 0);
      assert.is(sum("sluice_http_requests_total", 'status="404"'), 1);
      assert.ok(sum("sluice_http_requests_total", 'status="200"') >= 4);
      assert.ok(sum("sluice_http_sent_bytes_total") >= 4 * 5);
      assert.ok(sum("sluice_event_loop_delay_seconds_count") > 0);
      assert.is(sum("sluice_http_requests_in_flight"), 1);
      socket.resume();
      await waitFor("the download", () => received() > size);
      const total = async () => {
        const lines = (await (await fetch(metricsUrl)).text()).split("\n");
        const bytes = lines.filter((line) => line.startsWith("sluice_http_sent_bytes_total{"));
        return bytes.reduce((all, line) => all + Number(line.split(" ").at(-1)), 0);
      };
      await waitFor("it to be counted", async () => (await total()) >= size);
      assert.is((await fetch(new URL("/", metricsUrl))).status, 404);
      assert.match(await get(serving, "/metrics"), /^HTTP\/1\.1 404 /);
      socket.destroy();
    });
  }

for (const runtime of runtimes) {
  test(`a worker that is killed is replaced, and the others go on (${runtime.name})`, async () => {
    const serving = await startServe(runtime, site, "--workers", "2", "--metrics-port", "0");
    const [first = 0, second = 0] = childrenOf(serving.pid);
    process.kill(first, "SIGKILL");
    await waitFor("another one", () => {
      const children = childrenOf(serving.pid);
      return children.length === 2 && !children.includes(first) && children.includes(second);
    });
    assert.match(serving.stderr(), /sluice: Worker \d was ended by SIGKILL; another one starts in 0\.1 s\n/);
    await waitFor("it to be counted", async () => (await readMetric(serving, "sluice_workers_replaced_total")) === 1);
    // Both answer, the new one too.
    const counted = async () => {
      await get(serving, "/small.txt").catch(() => "");
      const text = await (await fetch(serving.metricsUrl)).text();
      return [1, 2].every((worker) => new RegExp(`^sluice_http_requests_total.*worker="${worker}"`, "m").test(text));
    };
    await waitFor("both workers to answer", counted);
    serving.child.kill("SIGTERM");
    assert.is((await serving.ended).code, 0);
    assert.not.ok(isAlive(second));
  });

  test(`workers end with a supervisor that is killed (${runtime.name})`, async () => {
    const serving = await startServe(runtime, site, "--workers", "2");
    const children = childrenOf(serving.pid);
    assert.is(children.length, 2);
    serving.child.kill("SIGKILL");
    assert.ok(await settles(() => children.every((pid) => !isAlive(pid))), "workers are left");
  });
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ESRCH") return false;
    throw error;
  }
}

test.run();
