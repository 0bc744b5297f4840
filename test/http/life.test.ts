/** What the preload leaves as it is in a process: its globals, its end, its output, its threads, its other streams. */
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { once } from "node:events";
import * as http2 from "node:http2";
import * as https from "node:https";
import { connect } from "node:net";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { collect, sha256 } from "../support/data.ts";
import { tempFolder } from "../support/temp.ts";
import { settles } from "../support/wait.ts";
import { App } from "./support/app.ts";
import { assertSame, assertTaken, both, hasEngine, type Pair, preload, startPair } from "./support/compare.ts";
import { makeContent } from "./support/content.ts";
import { withProgram } from "./support/programs.ts";
import { visit } from "./support/visit.ts";

const content = makeContent();
const whole = content.bytes["16m"];
const args = [content.folder];
const test = suite("an app with the preload");

/** Runs a test with a pair of apps, which are to exit by themselves afterwards without having printed anything. */
function withPair(name: string, script: string, body: (pair: Pair) => Promise<void>, withPreload = preload): void {
  test(name, async () => {
    await using pair = await startPair({ script, args }, withPreload);
    await body(pair);
  });
}

withPair("has no other globals", "plain", async (pair) => {
  const globals = await both(pair, async (app) => {
    await visit(app, "any", { path: "/pipe/16m.bin" });
    return await app.ask("globals");
  });
  assert.equal(globals.on, globals.off);
});

withPair("keeps nothing active when it is idle", "plain", async (pair) => {
  const apps = await both(pair, async (app) => {
    await visit(app, "any", { path: "/pipe/16m.bin" });
    await visit(app, "another", { path: "/chunked/16m.bin" });
    await new Promise((resolve) => setTimeout(resolve, 300));
    return app;
  });
  const told = ({ on, off }: typeof apps) => Promise.all([on.ask("resources"), off.ask("resources")]);
  // What ends by itself may take its time on either side.
  await settles(async () => {
    const [on, off] = await told(apps);
    return JSON.stringify(on) === JSON.stringify(off);
  });
  const [on, off] = await told(apps);
  assert.equal(on, off);
});

withPair("keeps no descriptor of what it has sent", "plain", async ({ on }) => {
  const round = async () => {
    for (const route of ["pipe", "chunked", "pipeline", "write-before", "range"])
      for (const size of ["1k", "300k", "16m"]) await visit(on, `${route} ${size}`, { path: `/${route}/${size}.bin` });
  };
  await round();
  const before = await on.descriptors();
  await round();
  await on.assertDescriptors(before);
});

withPair(
  "may be no module: --require does what --import does",
  "commonjs",
  async (pair) => {
    const answer = await assertSame(pair, "commonjs", { path: "/static/16m.bin" }, true);
    assert.is(answer.sha256, sha256(whole));
  },
  ["--require", "sluice/register"],
);

withPair("is served by worker threads as well", "worker", async (pair) => {
  for (const route of ["pipe", "chunked", "pipeline"]) {
    const answer = await assertSame(pair, route, { path: `/${route}/16m.bin` }, true);
    assert.is(answer.sha256, sha256(whole));
  }
});

withPair("sends files to bare sockets, and sockets to sockets", "tcp", async (pair) => {
  for (const kind of ["files", "proxy"]) {
    const { on, off } = await both(pair, async (app) => {
      const ports = (await app.ask("ports")) as Record<string, number>;
      const socket = connect({ port: ports[kind] ?? 0, host: "127.0.0.1" });
      await once(socket, "connect");
      socket.write("16m.bin\n");
      return sha256(await collect(socket));
    });
    assert.is(on, sha256(whole));
    assert.is(off, sha256(whole));
    const natives = (await pair.on.published()).filter(({ native }) => native).length;
    if (hasEngine) assert.ok(natives >= 1, `${natives} streams to ${kind} were taken over`);
  }
  await both(pair, (app) => app.ask("closeOthers"));
});

test("loaded with SLUICE_DISABLE=1 takes nothing over", async () => {
  await using app = await App.start({ script: "plain", args, execArgv: preload, env: { SLUICE_DISABLE: "1" } });
  const { answer } = await visit(app, "disabled", { path: "/pipe/16m.bin" });
  assert.is(answer.sha256, sha256(whole));
  await assertTaken(app, false);
});

test("loaded with SLUICE_DEBUG=1 prints a line for each stream on stderr", async () => {
  await using app = await App.start({ script: "plain", args, execArgv: preload, env: { SLUICE_DEBUG: "1" } });
  for (const route of ["pipe", "gzip", "data-listener", "pipeline"])
    await visit(app, route, { path: `/${route}/300k.bin` });
  const lines = app.output.trimEnd().split("\n");
  assert.is(lines.length, 4, app.output);
  for (const line of lines) assert.match(line, "sluice");
});

test("loaded twice takes a stream over once", async () => {
  await using app = await App.start({ script: "plain", args, execArgv: [...preload, ...preload] });
  const { answer } = await visit(app, "twice", { path: "/pipe/16m.bin" });
  assert.is(answer.sha256, sha256(whole));
  await assertTaken(app, true);
});

/** Downloads over TLS from an app whose certificate nobody has signed. */
async function download(app: App, id: string): Promise<string> {
  const options = { host: "127.0.0.1", port: app.port, path: `/16m.bin?case=${id}`, rejectUnauthorized: false };
  const [response] = await once(https.get({ ...options, agent: false }), "response");
  const hash = createHash("sha256");
  for await (const chunk of response) hash.update(chunk);
  return hash.digest("hex");
}

await withProgram(test, "openssl", "with TLS is left alone", async () => {
  const pem = join(tempFolder(), "both.pem");
  const request = ["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", "-subj", "/CN=localhost"];
  execFileSync("openssl", [...request, "-keyout", pem, "-out", `${pem}.crt`], { stdio: "ignore" });
  execFileSync("sh", ["-c", 'cat "$0.crt" >> "$0"', pem]);
  await using pair = await startPair({ script: "secure", args: [content.folder, pem] });
  const hashes = await both(pair, (app) => download(app, "tls"));
  assert.is(hashes.on, sha256(whole));
  assert.is(hashes.off, sha256(whole));
  await assertTaken(pair.on, false);
});

test("with HTTP/2 is left alone", async () => {
  await using pair = await startPair({ script: "http2", args });
  const hashes = await both(pair, async (app) => {
    const session = http2.connect(`http://127.0.0.1:${app.port}`);
    const stream = session.request({ ":path": "/16m.bin?case=http2" });
    const hash = sha256(await collect(stream));
    session.close();
    return hash;
  });
  assert.is(hashes.on, sha256(whole));
  assert.is(hashes.off, sha256(whole));
  await assertTaken(pair.on, false);
});

test.run();
