/** /healthz beside /metrics, and the latencies that `serve` and `proxy` tell. */
import { once } from "node:events";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { randomBytes } from "../support/data.ts";
import { tempFolder } from "../support/temp.ts";
import { waitFor } from "../support/wait.ts";
import {
  clientOf,
  closeUpstreams,
  deadAddress,
  echo,
  exchange,
  received,
  startProxy,
  startUpstream,
} from "./proxying.ts";
import { childrenOf, connectTo, endServers, get, readMetric, runtimes, startServe, statusOf } from "./serving.ts";
import type { Service } from "./services.ts";

/** Far more than the buffers of a connection hold. */
const size = 64 * 2 ** 20;
const site = tempFolder();
writeFileSync(join(site, "large.bin"), randomBytes(size));
writeFileSync(join(site, "small.txt"), "small");

test.after.each(endServers);
test.after.each(closeUpstreams);

async function health({ metricsUrl }: Service): Promise<number> {
  const answer = await fetch(new URL("/healthz", metricsUrl));
  await answer.text();
  return answer.status;
}

/** The sum of a series over all its labels. */
async function total({ metricsUrl }: Service, name: string, label = ""): Promise<number> {
  const text = await (await fetch(metricsUrl)).text();
  const lines = text.split("\n").filter((line) => line.startsWith(`${name}{`) || line.startsWith(`${name} `));
  return lines.filter((line) => line.includes(label)).reduce((all, line) => all + Number(line.split(" ").at(-1)), 0);
}

for (const runtime of runtimes)
  for (const workers of [[], ["--workers", "2"]]) {
    const what = `${runtime.name}${workers.length > 0 ? ", workers" : ""}`;

    test(`serve is healthy until it is told to end, and tells how long answers took (${what})`, async () => {
      const serving = await startServe(runtime, site, "--metrics-port", "0", ...workers);
      assert.is(await health(serving), 200);
      assert.is(statusOf(await get(serving, "/healthz")), 404);
      for (let i = 0; i < 3; i++) await get(serving, "/small.txt");
      await get(serving, "/missing");
      const name = "sluice_http_request_duration_seconds";
      await waitFor("the answers", async () => (await total(serving, `${name}_count`, 'status="200"')) === 3);
      assert.is(await total(serving, `${name}_count`, 'status="404"'), 2);
      assert.is(await total(serving, `${name}_bucket`, 'le="+Inf"'), 5);
      assert.ok((await total(serving, `${name}_sum`)) > 0);
      const socket = await connectTo(serving);
      socket.write("GET /large.bin HTTP/1.1\r\nHost: a\r\n\r\n");
      await once(socket, "data");
      socket.pause();
      serving.child.kill("SIGTERM");
      await waitFor("it to say so", () => serving.stderr().includes("Finishing"));
      assert.is(await health(serving), 503);
      assert.is(serving.child.exitCode, null);
      socket.resume();
      await once(socket, "close");
      assert.equal(await serving.ended, { code: 0, signal: undefined }, serving.stderr());
    });

    test(`proxy is healthy until it is told to end, and tells how long connecting took (${what})`, async () => {
      const { address } = await startUpstream(echo("> "));
      const dead = await deadAddress();
      const proxying = await startProxy(runtime, "127.0.0.1:0", [address, dead], ["--metrics-port", "0", ...workers]);
      assert.is(await health(proxying), 200);
      for (let i = 0; i < 4; i++) assert.is((await exchange(proxying, "abc")).toString(), "> abc");
      const name = "sluice_proxy_connect_duration_seconds";
      // Attempts that failed are not among them.
      assert.is(await total(proxying, `${name}_count`), 4);
      assert.is(await total(proxying, `${name}_bucket`, 'le="10"'), 4);
      const client = await clientOf(proxying);
      const answer = received(client);
      await once(client, "data");
      proxying.child.kill("SIGTERM");
      await waitFor("it to say so", () => proxying.stderr().includes("Waiting for connections to end"));
      assert.is(await health(proxying), 503);
      client.end("abc");
      assert.match((await answer).toString(), /abc$/);
      assert.is((await proxying.ended).code, 0);
    });
  }

for (const runtime of runtimes)
  test(`without a worker that listens it is not healthy (${runtime.name})`, async () => {
    const serving = await startServe(runtime, site, "--metrics-port", "0", "--workers", "1");
    assert.is(await health(serving), 200);
    const [worker = 0] = childrenOf(serving.pid);
    process.kill(worker, "SIGKILL");
    await waitFor("the worker to be missed", async () => (await health(serving)) === 503);
    await waitFor("another one", async () => (await health(serving)) === 200);
    assert.is(await readMetric(serving, "sluice_workers_replaced_total"), 1);
  });

test.run();
