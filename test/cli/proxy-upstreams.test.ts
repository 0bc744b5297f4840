/** Which upstream `sluice proxy` takes a connection to, and what ends one. */
import { once } from "node:events";
import type { Socket } from "node:net";
import { join } from "node:path";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { randomBytes } from "../support/data.ts";
import { tempFolder } from "../support/temp.ts";
import { waitFor } from "../support/wait.ts";
import {
  clientOf,
  closeUpstreams,
  countWithoutPipes,
  deadAddress,
  descriptorsReturn,
  echo,
  exchange,
  logOf,
  portOf,
  received,
  startProxy,
  startUpstream,
} from "./proxying.ts";
import { endServices, readMetric, runtimes } from "./services.ts";

test.after.each(async () => {
  await endServices();
  closeUpstreams();
});

for (const runtime of runtimes) {
  const { name } = runtime;

  test(`clients are closed when all upstreams refuse, nothing leaks, and all is well again when one is back (${name})`, async () => {
    const dead = [await deadAddress(), await deadAddress(), { path: join(tempFolder(), "none.sock") }];
    const proxying = await startProxy(runtime, "127.0.0.1:0", dead, ["--json-log", "--metrics-port", "0"]);
    await exchange(proxying, "");
    await fetch(proxying.metricsUrl).then((answer) => answer.text());
    const before = countWithoutPipes(proxying);
    const answers = await Promise.all(Array.from({ length: 100 }, () => exchange(proxying, "abc").catch(() => "")));
    for (const answer of answers) assert.is(answer.length, 0);
    assert.is(await descriptorsReturn(proxying, before + 3), undefined);
    await waitFor("the log", () => logOf(proxying).length === 101);
    for (const { end, upstream, code } of logOf(proxying)) {
      assert.is(end, "no-upstream");
      assert.is(upstream, null);
      assert.match(String(code), /^(ECONNREFUSED|ENOENT)$/);
    }
    assert.is(await readMetric(proxying, 'sluice_proxy_connections_total{end="no-upstream"}'), 101);
    await startUpstream(echo("back "), dead[0]);
    assert.is((await exchange(proxying, "abc")).toString(), "back abc");
  });

  test(`upstreams take turns or the one with the fewest, one that is down is left alone, and both ends may be killed (${name})`, async () => {
    const held: Socket[] = [];
    const hold = (socket: Socket) => {
      held.push(socket);
      socket.resume().write("hello");
    };
    const ups = [await startUpstream(hold), await startUpstream(hold)];
    const dead = await deadAddress();
    const addresses = [dead, ...ups.map(({ address }) => address)];
    const failures = `sluice_proxy_upstream_failures_total{upstream="127.0.0.1:${portOf(dead)}",code="ECONNREFUSED"}`;
    const turns = await startProxy(runtime, "127.0.0.1:0", addresses, ["--json-log", "--metrics-port", "0"]);
    const clients: Socket[] = [];
    const begun = performance.now();
    for (let i = 0; i < 9; i++) {
      const client = await clientOf(turns);
      clients.push(client);
      await once(client, "data");
    }
    // The turns of the one that is down go to the one after it.
    const counts = ups.map(({ count }) => count());
    assert.is(
      counts.reduce((sum, count) => sum + count),
      9,
    );
    assert.ok(Math.min(...counts) >= 3, counts.join());
    // A loaded machine takes its time: it is tried at once, then after 1, 2 and 4 seconds more.
    const most = 2 + Math.log2(1 + (performance.now() - begun) / 1000);
    assert.ok(Number(await readMetric(turns, failures)) <= most, "it is tried again and again");

    // A client, then an upstream, that goes without a word.
    clients[0]?.resetAndDestroy();
    held[1]?.resetAndDestroy();
    await waitFor("the log", () => logOf(turns).length === 2);
    assert.equal(
      logOf(turns)
        .map(({ end, code }) => `${String(end)} ${String(code)}`)
        .sort(),
      ["client ECONNRESET", "upstream ECONNRESET"],
    );
    const active = async () =>
      (await (await fetch(turns.metricsUrl)).text()).match(/^sluice_proxy_upstream_connections_active.* (\d+)$/gm);
    await waitFor(
      "it to be counted",
      async () => (await active())?.reduce((sum, line) => sum + Number(line.split(" ").at(-1)), 0) === 7,
    );
    for (const client of clients) client.destroy();

    const fewest = await startProxy(
      runtime,
      "127.0.0.1:0",
      ups.map(({ address }) => address),
      ["--balance", "least-connections", "--json-log"],
    );
    const before = ups.map(({ count }) => count());
    for (let i = 0; i < 3; i++) {
      const client = await clientOf(fewest);
      await once(client, "data");
      if (i === 0) continue;
      // Each goes where none is, since the last one is over.
      client.destroy();
      await waitFor("its end", () => held.at(-1)?.destroyed === true || held.at(-1)?.readableEnded === true);
      held.at(-1)?.destroy();
      await waitFor("it to be over", () => logOf(fewest).length === i);
    }
    assert.equal(
      ups.map(({ count }, i) => count() - (before[i] ?? 0)),
      [1, 2],
    );
  });

  test(`time-outs and limits end connections, and more than there may be are closed (${name})`, async () => {
    const { address } = await startUpstream((socket) => socket.pipe(socket));
    const log = (proxying: Parameters<typeof logOf>[0]) => logOf(proxying).map(({ end }) => end);
    const cases: readonly (readonly [options: readonly string[], end: string])[] = [
      [["--idle-timeout", "0.3"], "idle"],
      [["--timeout", "0.3"], "timeout"],
      [["--max-bytes", "2K"], "limit"],
    ];
    for (const [options, end] of cases) {
      const proxying = await startProxy(runtime, "127.0.0.1:0", [address], ["--json-log", ...options]);
      const client = await clientOf(proxying);
      const answer = received(client);
      client.write(randomBytes(4096));
      assert.ok((await answer).length <= 4096);
      client.destroy();
      await waitFor("the log", () => log(proxying).length === 1);
      assert.equal(log(proxying), [end]);
      await endServices();
    }
    const two = await startProxy(runtime, "127.0.0.1:0", [address], ["--json-log", "--max-connections", "2"]);
    const clients = [await clientOf(two), await clientOf(two)];
    for (const client of clients) {
      client.write("a");
      await once(client, "data");
    }
    assert.is((await exchange(two, "b")).length, 0);
    await waitFor("the log", () => log(two).length === 1);
    assert.equal(log(two), ["full"]);
    for (const client of clients) client.destroy();
    await waitFor("room", async () => (await exchange(two, "c")).toString() === "c");
  });
}

test.run();
