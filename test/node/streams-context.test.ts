/** What surrounds a hand-over: async context, uncaught errors, the diagnostics channel, the environment variables. */
import { AsyncLocalStorage } from "node:async_hooks";
import * as channel from "node:diagnostics_channel";
import { once } from "node:events";
import * as net from "node:net";
import process from "node:process";
import { createReadStream, pipe, report, type StreamMessage } from "sluice/stream";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { connect } from "../contract/support/connection.ts";
import { dataFile, KiB, MiB } from "../contract/support/files.ts";
import { assertAlike, closed, codeOf, type Way, ways, withConnection } from "../contract/support/streams.ts";
import { runChild } from "../support/child.ts";
import { digest } from "../support/data.ts";
import { tempFolder } from "../support/temp.ts";
import { waitFor } from "../support/wait.ts";

const test = suite("what surrounds a hand-over");
const folder = tempFolder();
const { path } = dataFile(folder, 8 * MiB);

for (const [name, size, queued] of [
  ["small", 1000, 0],
  ["large", 8 * MiB, 0],
  ["behind another context's write", 8 * MiB, 4 * MiB],
] as const) {
  test(`listeners of a ${name} stream run in its async context`, async () => {
    const file = dataFile(folder, size);
    const storage = new AsyncLocalStorage<string>();
    const play = (way: Way) =>
      withConnection(async ({ socket, peer }) => {
        const seen: Record<string, string | undefined> = {};
        const received = digest(peer);
        storage.run("another", () => socket.write(Buffer.alloc(queued)));
        const source = storage.run("own", () => {
          const created = way.createReadStream(file.path);
          for (const event of ["open", "end", "close"])
            created.on(event, () => (seen[`source ${event}`] = storage.getStore()));
          way.pipe(created, socket, { end: false });
          return created;
        });
        await closed(source);
        socket.end();
        assert.is((await received).bytes, size + queued);
        return seen;
      });
    if (queued === 0) await assertAlike(play);
    // Plain node:stream takes over whichever context the target drains in.
    else assert.equal(new Set(Object.values(await play(ways.sluice))), new Set(["own"]));
  });
}

test("a connection that is refused, without a listener, is an uncaught exception as with node:stream", async () => {
  const server = net.createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as net.AddressInfo;
  server.close();
  await once(server, "close");
  await assertAlike(async (way) => {
    const source = way.createReadStream(path);
    const socket = net.connect(port, "127.0.0.1");
    const uncaught: string[] = [];
    const note = (error: unknown) => uncaught.push(codeOf(error));
    process.on("uncaughtException", note);
    way.pipe(source, socket);
    await closed(socket);
    await new Promise((resolve) => setTimeout(resolve, 50));
    process.off("uncaughtException", note);
    source.destroy();
    await closed(source);
    return uncaught;
  });
});

test("a listener that throws is an uncaught exception, once", async () => {
  await assertAlike((way) =>
    withConnection(async ({ socket, peer }) => {
      const uncaught: string[] = [];
      const note = (error: unknown) => uncaught.push(String(error));
      process.on("uncaughtException", note);
      process.on("unhandledRejection", note);
      const received = digest(peer);
      const source = way.createReadStream(path);
      source.on("end", () => {
        throw new Error("in a listener of 'end'");
      });
      way.pipe(source, socket, { end: false });
      await waitFor("the error", () => uncaught.length > 0);
      socket.end();
      const { bytes } = await received;
      source.destroy();
      process.off("uncaughtException", note);
      process.off("unhandledRejection", note);
      return { uncaught, bytes };
    }),
  );
});

test("sluice:transfer publishes once for every stream, whichever way it went", async () => {
  const messages: StreamMessage[] = [];
  const note = (message: unknown) => void messages.push(message as StreamMessage);
  channel.subscribe("sluice:transfer", note);
  for (const size of [0, 4 * KiB, 8 * MiB]) {
    using link = await connect();
    const received = digest(link.peer);
    const source = createReadStream(dataFile(folder, size).path);
    pipe(source, link.socket);
    await received;
    await closed(source);
    const [message, ...more] = messages.splice(0);
    assert.is(more.length, 0);
    assert.is(message?.source, source);
    assert.is(message?.target, link.socket);
    assert.is(message?.bytes, size);
    assert.is(message?.native, size > 0);
    const { source: _source, target: _target, ...told } = message ?? {};
    assert.equal(told, report(source));
  }
  channel.unsubscribe("sluice:transfer", note);
});

/** Copies a file in a child process and answers what that said. */
function copyInChild(env: NodeJS.ProcessEnv): Promise<{ output: string; code: number | undefined }> {
  const script = `
    import { createReadStream, pipe, report } from "sluice/stream";
    import { createWriteStream } from "node:fs";
    import { once } from "node:events";
    const source = createReadStream(${JSON.stringify(path)});
    await once(pipe(source, createWriteStream("/dev/null")), "close");
    console.log(JSON.stringify(report(source)));`;
  return runChild([process.execPath, "--input-type=module", "-e", script], 20_000, { ...process.env, ...env });
}

test("SLUICE_DISABLE=1 leaves every stream to Node, and report() says so", async () => {
  const { output, code } = await copyInChild({ SLUICE_DISABLE: "1" });
  assert.is(code, 0, output);
  assert.match(output, /"native":false,"reason":"switched off by SLUICE_DISABLE=1"/);
});

test("SLUICE_DEBUG=1 says on stderr which way a stream went, and without it nothing is said", async () => {
  const { output } = await copyInChild({ SLUICE_DEBUG: "1" });
  assert.match(output, new RegExp(`^sluice: ${path}: `, "m"));
  const quiet = await copyInChild({});
  assert.is(quiet.output.trim().split("\n").length, 1, quiet.output);
});

test.run();
