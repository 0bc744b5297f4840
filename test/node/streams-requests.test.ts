/** Files that clients of node:http upload: each scenario by node:stream and by sluice/stream, and what can be told of either. */
import { once } from "node:events";
import { truncateSync, writeFileSync } from "node:fs";
import * as http from "node:http";
import * as https from "node:https";
import * as net from "node:net";
import { join } from "node:path";
import process from "node:process";
import * as tls from "node:tls";
import type { Readable, Writable } from "node:stream";
import { setTimeout as sleep } from "node:timers/promises";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { dataFile, KiB, MiB } from "../contract/support/files.ts";
import { assertAlike, assertLeft, assertTaken, closed, codeOf, eventsOf, ways } from "../contract/support/streams.ts";
import { runChild } from "../support/child.ts";
import { collect, digest, sha256 } from "../support/data.ts";
import { openDescriptors } from "../support/fds.ts";
import { tempFolder } from "../support/temp.ts";
import { settles, waitFor } from "../support/wait.ts";

const test = suite("requests under way");
const folder = tempFolder();
const small = dataFile(folder, 1000);
const files = [small, dataFile(folder, 100 * KiB), dataFile(folder, 5 * MiB + 17)];
/** More than two sockets' buffers take. */
const large = dataFile(folder, 20 * MiB + 17);
const largeHash = sha256(large.content);

type Options = http.RequestOptions;

/** A server, how many connections it had, and where it is to be asked. */
interface Peer {
  readonly to: Options;
  connections(): number;
}

async function withServer<T>(server: net.Server, act: (peer: Peer) => Promise<T>, path?: string): Promise<T> {
  const sockets = new Set<net.Socket>();
  server.on("connection", (socket: net.Socket) => void sockets.add(socket.on("error", () => {})));
  if (path === undefined) server.listen(0, "127.0.0.1");
  else server.listen(path);
  await once(server, "listening");
  const address = server.address();
  const to = typeof address === "string" ? { socketPath: address } : { host: "127.0.0.1", port: address?.port };
  try {
    return await act({ to: { method: "PUT", ...to }, connections: () => sockets.size });
  } finally {
    for (const socket of sockets) socket.destroy();
    server.close();
  }
}

/** Answers with what it was sent, as far as HTTP tells it. */
const echo = () =>
  http.createServer((request, response) => {
    digest(request).then(
      ({ bytes, sha256: body }) => {
        const { "content-length": length, "transfer-encoding": coding } = request.headers;
        response.end(JSON.stringify({ length, coding, bytes, body }));
      },
      () => response.destroy(),
    );
  });

async function answerTo(request: http.ClientRequest): Promise<string> {
  const broken = new Promise<never>((_, reject) => request.on("error", reject));
  const [response] = (await Promise.race([once(request, "response"), broken])) as [http.IncomingMessage];
  return (await collect(response)).toString();
}

const settled = (request: http.ClientRequest, source: Readable) =>
  Promise.all([closed(request as unknown as Writable), closed(source)]);

for (const where of ["TCP", "a Unix socket"])
  test(`each size and framing arrives to the byte, over ${where}, by one connection of a keep-alive agent`, async () => {
    const path = where === "TCP" ? undefined : join(folder, "socket");
    await assertAlike((way) =>
      withServer(
        echo(),
        async ({ to, connections }) => {
          const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
          const answers: string[] = [];
          for (const { path: file, content } of files)
            for (const isAnnounced of [true, false])
              for (const before of ["", "before;"]) {
                const length = before.length + content.length;
                const headers = isAnnounced ? { "content-length": length } : {};
                const request = http.request({ ...to, agent, headers });
                const source = way.createReadStream(file);
                if (before !== "") request.write(before);
                way.pipe(source, request);
                const answer = await answerTo(request);
                assert.ok(answer.includes(sha256(Buffer.from(before), content)), answer);
                await closed(source);
                assertTaken(way, source, content.length);
                answers.push(answer);
              }
          agent.destroy();
          assert.is(connections(), 1);
          return answers;
        },
        path,
      ),
    );
  });

test("requests that wait for their agent's only connection are sent one after the other", async () => {
  await assertAlike((way) =>
    withServer(echo(), async ({ to, connections }) => {
      const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
      const sources = files.map(({ path }) => way.createReadStream(path));
      const answers = await Promise.all(
        sources.map((source) => {
          const request = http.request({ ...to, agent });
          way.pipe(source, request);
          return answerTo(request);
        }),
      );
      await Promise.all(sources.map(closed));
      for (const source of sources) assertTaken(way, source);
      agent.destroy();
      return { answers, connections: connections() };
    }),
  );
});

test("Expect: 100-continue, and headers that were sent before", async () => {
  await assertAlike((way) =>
    withServer(echo(), async ({ to }) => {
      const answers: string[] = [];
      for (const headers of [{ expect: "100-continue" }, {}]) {
        const request = http.request({
          ...to,
          agent: false,
          headers: { ...headers, "content-length": large.content.length },
        });
        request.flushHeaders();
        if ("expect" in headers) await once(request, "continue");
        else await sleep(20);
        const source = way.createReadStream(large.path);
        way.pipe(source, request);
        answers.push(await answerTo(request));
        await closed(source);
        assertTaken(way, source, large.content.length);
      }
      return answers;
    }),
  );
});

for (const headers of [{}, { "content-length": 2 * 1000 + large.content.length + 9 }] as const)
  test(`streams and writes make one body in their order, ${"content-length" in headers ? "with a length" : "in chunks"}`, async () => {
    const [one, two, three] = [1, 2, 3].map((count) => Buffer.from(`;${count};`)) as [Buffer, Buffer, Buffer];
    const expected = sha256(small.content, one, large.content, two, small.content, three);
    await assertAlike((way) =>
      withServer(echo(), async ({ to }) => {
        const request = http.request({ ...to, agent: false, headers });
        const answer = answerTo(request);
        for (const [index, { path }] of [small, large, small].entries()) {
          const source = way.createReadStream(path);
          way.pipe(source, request, { end: false });
          // Before the file is read, and in the same tick: node:http keeps it until the next.
          await closed(source);
          request.write(`;${index + 1};`);
        }
        request.end();
        const text = await answer;
        assert.ok(text.includes(expected), text);
        return text;
      }),
    );
  });

test("request.write() during a hand-over keeps the framing", async () => {
  await assertAlike((way) =>
    withServer(echo(), async ({ to }) => {
      const request = http.request({ ...to, agent: false });
      const source = way.createReadStream(large.path);
      way.pipe(source, request, { end: false });
      const timer = setTimeout(() => request.write("<between>"), 5);
      source.on("end", () => request.end("<end>"));
      const { bytes } = JSON.parse(await answerTo(request)) as { bytes: number };
      clearTimeout(timer);
      return bytes - large.content.length >= "<end>".length;
    }),
  );
});

/** Reads the head of a request, and no more until it is told to. */
const reluctant = (act: (socket: net.Socket, first: number) => void) =>
  net.createServer((socket) => {
    socket.once("data", (bytes) => act(socket.pause(), bytes.length - bytes.indexOf("\r\n\r\n") - 4));
  });

test("an early answer that ends the connection ends the upload", async () => {
  let received = 0;
  await assertAlike((way) => {
    received = 0;
    const server = reluctant((socket) => {
      socket.write("HTTP/1.1 413 No\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
      setTimeout(() => socket.on("data", (bytes) => (received += bytes.length)).resume(), 100);
    });
    return withServer(server, async ({ to }) => {
      const request = http.request({ ...to, agent: false, headers: { "content-length": large.content.length } });
      request.on("response", (response) => response.resume());
      const events = eventsOf(request as unknown as Writable);
      const source = way.createReadStream(large.path);
      way.pipe(source, request);
      await closed(request as unknown as Writable);
      source.destroy();
      await closed(source);
      assert.ok(received < large.content.length, "all of it was sent");
      return events;
    });
  });
});

test("an early answer on a connection that stays lets the upload come to its end, and the next request use it", async () => {
  // Node's own way stands still here: nobody tells the request that its connection takes bytes again.
  const { sluice } = ways;
  let received = 0;
  const server = reluctant((socket, first) => {
    received = first;
    const answer = () => socket.write("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    answer();
    socket.on("data", (bytes) => {
      received += bytes.length;
      // What comes behind the body is the next request.
      if (received > large.content.length) answer();
    });
    socket.resume();
  });
  await withServer(server, async ({ to, connections }) => {
    const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
    const request = http.request({ ...to, agent, headers: { "content-length": large.content.length } });
    const answered = answerTo(request);
    const source = sluice.createReadStream(large.path);
    sluice.pipe(source, request);
    await answered;
    await settled(request, source);
    assertTaken(sluice, source, large.content.length);
    await answerTo(http.request({ ...to, agent, method: "GET" }).end());
    assert.is(connections(), 1);
    agent.destroy();
  });
});

for (const by of ["pipe", "pipeline"] as const)
  test(`a server that goes in mid-body is an error of the request, once, by ${by}`, async () => {
    await assertAlike((way) =>
      withServer(
        reluctant((socket) => setTimeout(() => socket.resetAndDestroy(), 50)),
        async ({ to }) => {
          const request = http.request({ ...to, agent: false, headers: { "content-length": large.content.length } });
          const events: string[] = [];
          // A reset is told of as one by whoever hears of it first: the read, or the write.
          request.on("error", (error) =>
            events.push(/^(ECONNRESET|EPIPE)$/.test(codeOf(error)) ? "error" : codeOf(error)),
          );
          request.on("close", () => events.push("close"));
          const source = way.createReadStream(large.path);
          const ended = by === "pipe" ? undefined : way.promises.pipeline(source, request).catch(() => "failed");
          if (by === "pipe") way.pipe(source, request);
          await closed(request as unknown as Writable);
          if (by === "pipe") source.destroy();
          await closed(source);
          return { events, ended: await ended, readableEnded: source.readableEnded };
        },
      ),
    );
  });

test("a connection that is refused, a name that isn't known", async () => {
  const server = net.createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as net.AddressInfo;
  server.close();
  await once(server, "close");
  // A label without letters: no server of names is asked, which may take its time.
  for (const to of [{ port, host: "127.0.0.1" }, { host: "no..name" }, { socketPath: join(folder, "nothing") }])
    for (const by of ["pipe", "pipeline"] as const)
      await assertAlike(async (way) => {
        const request = http.request({ ...to, method: "PUT", agent: false });
        const failures: string[] = [];
        request.on("error", (error) => failures.push(codeOf(error)));
        const source = way.createReadStream(large.path);
        const ended = by === "pipe" ? undefined : way.promises.pipeline(source, request).catch(codeOf);
        if (by === "pipe") way.pipe(source, request);
        await closed(request as unknown as Writable);
        // Node alone leaves it open.
        if (way.name === "node:stream") source.destroy();
        await closed(source);
        return { failures, ended: await ended };
      });
});

for (const cut of [0, 5 * MiB])
  test(`a file that is cut to ${cut} bytes under way is never taken for the whole`, async () => {
    const path = join(folder, "cut");
    for (const isAnnounced of [true, false]) {
      if (!isAnnounced && cut === 0) continue;
      writeFileSync(path, large.content);
      const server = http.createServer();
      const ended = new Promise<boolean>((resolve) => {
        server.on("request", (request: http.IncomingMessage, response: http.ServerResponse) => {
          request.on("error", () => {}).on("close", () => resolve(request.complete));
          setTimeout(() => {
            truncateSync(path, cut);
            request.resume().on("end", () => response.end("whole"));
          }, 50);
        });
      });
      const { sluice } = ways;
      await withServer(server, async ({ to }) => {
        const headers = isAnnounced ? { "content-length": large.content.length } : {};
        const request = http.request({ ...to, agent: false, headers });
        const failed = new Promise<string>((resolve) => request.on("error", (error) => resolve(codeOf(error))));
        request.on("response", (response) => response.resume());
        const source = sluice.createReadStream(path);
        source.on("error", () => {});
        sluice.pipe(source, request);
        const isWhole = await ended;
        if (isAnnounced) {
          assert.is(isWhole, false);
          assert.match(await failed, /^(ECONNRESET|EPIPE)$/);
        }
        source.destroy();
        request.destroy();
        await settled(request, source);
      });
    }
  });

test("destroy() and an aborted signal in mid-body", async () => {
  const before = openDescriptors();
  for (const stop of ["destroy", "error", "signal"] as const)
    await assertAlike((way) =>
      withServer(
        reluctant(() => undefined),
        async ({ to }) => {
          const aborter = new AbortController();
          const request = http.request({ ...to, agent: false, ...(stop === "signal" && { signal: aborter.signal }) });
          const events = eventsOf(request as unknown as Writable);
          request.on("error", () => {});
          const source = way.createReadStream(large.path);
          way.pipe(source, request);
          await once(request, "socket");
          await waitFor("bytes", () => (request.socket?.bytesWritten ?? 0) > 1000);
          if (stop === "signal") aborter.abort();
          else request.destroy(stop === "error" ? new Error("no more") : undefined);
          await closed(request as unknown as Writable);
          if (way.name === "node:stream") source.destroy();
          await closed(source);
          return events;
        },
      ),
    );
  await settles(() => String(openDescriptors()) === String(before));
  assert.equal(openDescriptors(), before);
});

test("a request's time-out fires where nothing moves", async () => {
  await assertAlike((way) =>
    withServer(
      reluctant(() => undefined),
      async ({ to }) => {
        const request = http.request({ ...to, agent: false });
        request.on("error", () => {});
        request.setTimeout(100);
        const source = way.createReadStream(large.path);
        way.pipe(source, request);
        await once(request, "timeout");
        request.destroy();
        source.destroy();
        await settled(request, source);
        return source.readableEnded;
      },
    ),
  );
});

test("HTTPS stays Node's, and says so", async () => {
  await assertAlike(async (way) => {
    const psk = Buffer.from("a key that both sides know");
    const server = https.createServer(
      { ciphers: "PSK", pskCallback: () => psk, maxVersion: "TLSv1.2" },
      (request, response) => void digest(request).then((body) => response.end(body.sha256)),
    );
    return await withServer(server, async ({ to }) => {
      const createConnection = () =>
        tls.connect({
          ...(to as net.TcpNetConnectOpts),
          ciphers: "PSK",
          maxVersion: "TLSv1.2",
          pskCallback: () => ({ psk, identity: "test" }),
          checkServerIdentity: () => undefined,
        });
      const request = http.request({ ...to, createConnection });
      const source = way.createReadStream(large.path);
      way.pipe(source, request);
      const answer = await answerTo(request);
      assert.is(answer, largeHash);
      assertLeft(way, source, /TLS encrypts in the process/);
      return answer;
    });
  });
});

test("100 uploads on one connection leave no listener behind", async () => {
  await assertAlike((way) =>
    withServer(echo(), async ({ to, connections }) => {
      const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
      let socket: net.Socket | undefined;
      for (let count = 0; count < 100; count++) {
        const request = http.request({ ...to, agent });
        request.on("socket", (given: net.Socket) => (socket = given));
        way.pipe(way.createReadStream(files[count % 2]?.path ?? ""), request);
        await answerTo(request);
      }
      await sleep(20);
      const names = socket?.eventNames() ?? [];
      const listeners = Object.fromEntries(names.map((name) => [String(name), socket?.listenerCount(name)]));
      agent.destroy();
      return { listeners, connections: connections() };
    }),
  );
});

/** A client that knows of the preload only that it begins with trials, told by a channel which way its bytes went. */
const client = `
  import { subscribe } from "node:diagnostics_channel";
  import { createReadStream } from "node:fs";
  import http from "node:http";
  import { pipeline } from "node:stream/promises";
  import { verify } from "sluice/stream";
  const [path, port, isAnnounced, by] = process.argv.slice(1);
  const told = [];
  subscribe("sluice:transfer", ({ native, bytes, target }) => told.push({ native, bytes, name: target.constructor.name }));
  await verify();
  const headers = isAnnounced === "true" ? { "content-length": 20 * 1024 * 1024 + 17 } : {};
  const request = http.request({ host: "127.0.0.1", port, method: "PUT", headers });
  request.on("response", (response) => {
    let text = "";
    response.setEncoding("utf8").on("data", (more) => (text += more)).on("end", () => console.log(JSON.stringify({ told, text })));
  });
  if (by === "pipe") createReadStream(path).pipe(request);
  else await pipeline(createReadStream(path), request);
`;

test("an unchanged client under the preload, by pipe and pipeline", async () => {
  await withServer(echo(), async ({ to }) => {
    const ask = async (isAnnounced: boolean, by: string) => {
      const options = ["--import", "sluice/register", "--input-type=module", "-e", client];
      const { code, stdout, output } = await runChild(
        [process.execPath, ...options, "--", large.path, String(to.port), String(isAnnounced), by],
        30_000,
      );
      assert.is(code, 0, output);
      const { told, text } = JSON.parse(stdout) as { told: unknown; text: string };
      assert.equal(told, [{ native: true, bytes: large.content.length, name: "ClientRequest" }]);
      assert.ok(text.includes(largeHash), text);
    };
    const kinds = [true, false].flatMap((isAnnounced) => ["pipe", "pipeline"].map((by) => ask(isAnnounced, by)));
    await Promise.all(kinds);
  });
});

test.run();
