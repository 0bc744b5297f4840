/** `sluice proxy` among many connections, to its end, in workers, and beside other programs that speak the PROXY protocol. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { delimiter, join } from "node:path";
import process from "node:process";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { type Address, formatAddress } from "#cli/address.js";
import { randomBytes, sha256 } from "../support/data.ts";
import { needs } from "../support/needs.ts";
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
  type Proxying,
  received,
  startProxy,
  startUpstream,
} from "./proxying.ts";
import { childrenOf, endServices, readMetric, runtimes } from "./services.ts";

const path = [process.env["PATH"], "/usr/sbin", "/sbin"].join(delimiter);
const programs: ChildProcess[] = [];

test.after.each(async () => {
  await endServices();
  closeUpstreams();
  for (const program of programs.splice(0)) program.kill("SIGKILL");
});

const threadsOf = (pid: number) => readdirSync(`/proc/${pid}/task`).length;
const residentKiB = (pid: number) =>
  Number(/^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1] ?? NaN);

/** So many clients, each of which has heard from the upstream, and then says nothing. */
async function idle(proxying: Proxying, count: number) {
  const clients = [];
  for (let left = count; left > 0; left -= 100) {
    const some = await Promise.all(Array.from({ length: Math.min(left, 100) }, () => clientOf(proxying)));
    await Promise.all(
      some.map((client) => {
        client.write("a");
        return once(client, "data");
      }),
    );
    clients.push(...some);
  }
  return clients;
}

const pairs = 1000;

for (const runtime of runtimes) {
  const { name } = runtime;

  test(`an active connection gets on among ${pairs} idle ones, threads and memory stay bounded, all end in time (${name})`, async () => {
    const { address } = await startUpstream((socket) => socket.pipe(socket));
    const options = ["--json-log", "--drain", "0.3", "--metrics-port", "0"];
    const proxying = await startProxy(runtime, "127.0.0.1:0", [address], options);
    const { pid } = proxying;
    for (const client of await idle(proxying, 5)) client.destroy();
    await waitFor("the log", () => logOf(proxying).length === 5);
    const before = { descriptors: countWithoutPipes(proxying), threads: threadsOf(pid), resident: residentKiB(pid) };
    const clients = await idle(proxying, pairs);
    assert.is(await readMetric(proxying, "sluice_proxy_connections_open"), pairs);
    assert.ok(
      countWithoutPipes(proxying) <= before.descriptors + 4 * pairs + 50,
      `${countWithoutPipes(proxying)} descriptors`,
    );
    assert.ok(threadsOf(pid) <= before.threads + 4, `${threadsOf(pid)} threads, ${before.threads} before`);
    // Of a pair: two sockets of the runtime, its promises, and what the engine keeps.
    const each = (residentKiB(pid) - before.resident) / pairs;
    assert.ok(each < 64, `${each.toFixed(1)} KiB each`);

    const large = randomBytes(8 * 2 ** 20);
    assert.is(sha256(await exchange(proxying, large)), sha256(large));

    // Half of them go, and leave nothing; the other half is broken off at the end.
    const ends = clients.splice(0, pairs / 2).map((client) => {
      const end = received(client);
      client.end();
      return end;
    });
    await Promise.all(ends);
    assert.is(await descriptorsReturn(proxying, before.descriptors + 2 * pairs + 50), undefined);
    proxying.child.kill("SIGTERM");
    assert.equal(await proxying.ended, { code: 0, signal: undefined });
    const said: Record<string, number> = {};
    for (const { end } of logOf(proxying)) said[String(end)] = (said[String(end)] ?? 0) + 1;
    assert.equal(said, { ended: 5 + pairs / 2 + 1, drained: pairs / 2 });
    for (const client of clients) client.destroy();
  });

  test(`told to end, it takes nobody in and waits for what is under way; a worker that is killed is replaced (${name})`, async () => {
    const { address } = await startUpstream(echo("> "));
    const one = await startProxy(runtime, "127.0.0.1:0", [address], ["--json-log"]);
    const client = await clientOf(one);
    const answer = received(client);
    await once(client, "data");
    one.child.kill("SIGTERM");
    await waitFor("it to say so", () => one.stderr().includes("Waiting for connections to end"));
    // It says so a moment before it does so.
    await waitFor("nobody to be taken in", async () => {
      const late = await clientOf(one).catch((error: NodeJS.ErrnoException) => error.code);
      if (typeof late === "object") late.destroy();
      return late === "ECONNREFUSED";
    });
    client.end("abc");
    assert.match((await answer).toString(), /abc$/);
    assert.is((await one.ended).code, 0);
    assert.equal(
      logOf(one)
        .filter(({ bytesUp }) => bytesUp === 3)
        .map(({ end }) => end),
      ["ended"],
    );

    const two = await startProxy(runtime, "127.0.0.1:0", [address], ["--workers", "2", "--metrics-port", "0"]);
    const [worker = 0] = childrenOf(two.pid);
    process.kill(worker, "SIGKILL");
    await waitFor("another worker", async () => (await readMetric(two, "sluice_workers_replaced_total")) === 1);
    // What the killed one had not accepted is lost with it.
    await waitFor("an answer", async () => (await exchange(two, "abc").catch(() => "")).toString() === "> abc");
    two.child.kill("SIGTERM");
    assert.is((await two.ended).code, 0);
  });

  test(`a head of the PROXY protocol goes on and comes in; from strangers, without or with a bad one, connections are closed (${name})`, async () => {
    const inner = await startUpstream(echo(""));
    for (const version of ["v1", "v2"]) {
      const behind = await startProxy(
        runtime,
        "127.0.0.1:0",
        [inner.address],
        ["--accept-proxy", "127.0.0.0/8", "--json-log", "--connect-timeout", "1.5"],
      );
      const front = await startProxy(runtime, "127.0.0.1:0", [behind.address], ["--send-proxy", version]);
      const client = await clientOf(front, { localAddress: "127.0.0.9" });
      const from = `127.0.0.9:${client.localPort}`;
      const answer = received(client);
      client.end("abc");
      assert.is((await answer).toString(), "abc");
      await waitFor("the log", () => logOf(behind).length === 1);
      assert.is(logOf(behind)[0]?.["client"], from);
      // No head, half a head, none in time.
      const bad = await Promise.all(["GET / HTTP/1.1\r\n\r\n", "PROXY TCP4 1"].map((text) => exchange(behind, text)));
      assert.equal(
        bad.map(({ length }) => length),
        [0, 0],
      );
      const silent = await clientOf(behind);
      assert.is((await received(silent)).length, 0);
      silent.destroy();
      await waitFor("the log", () => logOf(behind).length === 4);
      assert.equal(
        logOf(behind).map(({ end }) => end),
        ["ended", "bad-head", "bad-head", "bad-head"],
      );
    }
    const strict = await startProxy(
      runtime,
      "127.0.0.1:0",
      [inner.address],
      ["--accept-proxy", "10.0.0.0/8", "--json-log"],
    );
    assert.is((await exchange(strict, "PROXY UNKNOWN\r\nabc")).length, 0);
    await waitFor("the log", () => logOf(strict).length === 1);
    assert.is(logOf(strict)[0]?.["end"], "untrusted");
  });
}

async function freeAddress(): Promise<Address> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const bound = server.address();
  server.close();
  await once(server, "close");
  if (bound === null || typeof bound === "string") throw new Error("It has no port");
  return { host: "127.0.0.1", port: bound.port };
}

/** Starts a program that listens there. */
async function startProgram(address: Address, command: string, ...args: string[]): Promise<void> {
  const child = spawn(command, args, { env: { ...process.env, PATH: path }, stdio: ["ignore", "ignore", "pipe"] });
  programs.push(child);
  let said = "";
  child.stderr.setEncoding("utf8").on("data", (text: string) => (said += text));
  child.on("error", (error) => (said += error.message));
  const listens = async () => {
    if (child.exitCode !== null || child.pid === undefined) throw new Error(`${command} ended: ${said}`);
    const client = await clientOf({ address }).catch(() => undefined);
    client?.destroy();
    return client !== undefined;
  };
  await waitFor(command, listens);
}

/** HAProxy between an address and a server, with the options of either line. */
async function startHaproxy(bind: string, server: string): Promise<Address> {
  const address = await freeAddress();
  const file = join(tempFolder(), "haproxy.cfg");
  const times = ["connect", "client", "server"].map((which) => `  timeout ${which} 30s`).join("\n");
  writeFileSync(
    file,
    `global\n  maxconn 100\ndefaults\n  mode tcp\n${times}\nlisten l\n  bind ${formatAddress(address)} ${bind}\n  server s ${server}\n`,
  );
  await startProgram(address, "haproxy", "-q", "-db", "-f", file);
  return address;
}

/** nginx that answers with whom the head of the PROXY protocol names. */
async function startNginx(): Promise<Address> {
  const address = await freeAddress();
  const folder = tempFolder();
  const paths = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].map((each) => `${each}_temp_path ${folder};`);
  writeFileSync(
    join(folder, "nginx.conf"),
    `daemon off; master_process off; pid ${folder}/pid; error_log stderr; events {}
http { access_log off; ${paths.join(" ")}
  server { listen ${formatAddress(address)} proxy_protocol;
    location / { return 200 "$proxy_protocol_addr:$proxy_protocol_port"; } } }`,
  );
  await startProgram(address, "nginx", "-p", folder, "-c", join(folder, "nginx.conf"));
  return address;
}

const [node] = runtimes;

/** Who an HTTP server, or an echo, says that the client is, beside who it is. */
async function ask(address: Address, text: string): Promise<{ readonly answer: string; readonly from: string }> {
  const client = await clientOf({ address }, { localAddress: "127.0.0.9" });
  const from = `127.0.0.9:${client.localPort}`;
  const answer = received(client);
  client.write(text);
  const all = await answer;
  client.destroy();
  return { answer: all.toString(), from };
}

const get = "GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";

for (const [program, need] of [
  ["haproxy", needs.haproxy],
  ["nginx", needs.nginx],
] as const) {
  const reason = need();
  if (reason !== undefined || node === undefined) {
    test.skip(`the PROXY protocol with ${program}: ${String(reason)}`);
    continue;
  }
  if (program === "nginx") {
    test("nginx learns by --send-proxy v1 and v2 who the client is", async () => {
      const nginx = await startNginx();
      for (const version of ["v1", "v2"]) {
        const front = await startProxy(node, "127.0.0.1:0", [nginx], ["--send-proxy", version]);
        const { answer, from } = await ask(front.address, get);
        assert.ok(answer.startsWith("HTTP/1.1 200 ") && answer.endsWith(`\r\n\r\n${from}`), answer);
      }
    });
    continue;
  }
  test("HAProxy with send-proxy and send-proxy-v2 in front tells who the client is, also through another HAProxy with accept-proxy behind", async () => {
    const { address } = await startUpstream((socket) => socket.once("data", (data) => socket.end(data)));
    for (const word of ["send-proxy", "send-proxy-v2"]) {
      const options = ["--accept-proxy", "127.0.0.1", "--json-log"];
      const last = await startProxy(node, "127.0.0.1:0", [address], options);
      const behind = await startHaproxy("accept-proxy", `${formatAddress(last.address)} ${word}`);
      const middle = await startProxy(node, "127.0.0.1:0", [behind], [...options, "--send-proxy", "v2"]);
      const front = await startHaproxy("", `${formatAddress(middle.address)} ${word}`);
      const { answer, from } = await ask(front, "abc");
      assert.is(answer, "abc", word);
      for (const proxying of [middle, last])
        await waitFor(`${from} in the log`, () => logOf(proxying).some(({ client }) => client === from));
    }
  });
}

test("the limit on open files is raised where the process may, and stated where it is too low", async () => {
  if (node === undefined) return assert.unreachable();
  const { address } = await startUpstream(echo("> "));
  const limit = ["prlimit", "--nofile=300:300"];
  const mayRaise =
    (BigInt(`0x${/^CapEff:\s+(\w+)/m.exec(readFileSync("/proc/self/status", "utf8"))?.[1]}`) >> 24n) & 1n;
  const low = await startProxy(node, "127.0.0.1:0", [address], ["--max-connections", "500"], limit);
  const [, now] = /^Max open files\s+(\d+)/m.exec(readFileSync(`/proc/${low.pid}/limits`, "utf8")) ?? [];
  if (mayRaise === 1n) {
    assert.ok(Number(now) >= 1000);
  } else {
    assert.is(now, "300");
    assert.match(low.stderr(), /^300 descriptors allowed, enough for about 22 connections of 500 /m);
  }
  assert.is((await exchange(low, "abc")).toString(), "> abc");
});

test.run();
