/** Bodies of HTTP messages that are piped on: what goes past the parser, and that Node notices nothing of it. */
import { once } from "node:events";
import * as fs from "node:fs";
import * as http from "node:http";
import * as https from "node:https";
import * as net from "node:net";
import { join } from "node:path";
import * as tls from "node:tls";
import type { Readable, Writable } from "node:stream";
import { report } from "sluice/stream";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { assertBytes, data, MiB } from "../contract/support/files.ts";
import {
  assertAlike,
  assertLeft,
  assertTaken,
  closed,
  codeOf,
  eventsOf,
  type Way,
  ways,
} from "../contract/support/streams.ts";
import { collect, sha256 } from "../support/data.ts";
import { tempFolder } from "../support/temp.ts";
import { settles, waitFor } from "../support/wait.ts";

const test = suite("bodies of messages");
const folder = tempFolder();
const content = data(5 * MiB, 3);
const other = data(2 * MiB + 17, 4);

type Answer = (request: http.IncomingMessage, response: http.ServerResponse) => void;

/** A server for the time of a scenario. */
async function serving<T>(answer: Answer, use: (port: number, server: http.Server) => Promise<T>): Promise<T> {
  const server = http.createServer(answer).listen(0, "127.0.0.1");
  await once(server, "listening");
  try {
    return await use((server.address() as net.AddressInfo).port, server);
  } finally {
    server.closeAllConnections();
    server.close();
  }
}

const requestOf = (body: Uint8Array, path = "/"): Buffer =>
  Buffer.concat([
    Buffer.from(`POST ${path} HTTP/1.1\r\nHost: test\r\nContent-Length: ${body.byteLength}\r\n\r\n`),
    body,
  ]);

async function connectTo(port: number): Promise<net.Socket> {
  const socket = net.connect(port, "127.0.0.1").on("error", () => undefined);
  await once(socket, "connect");
  return socket;
}

/** What a raw connection receives, until it ends or closes. */
function received(socket: net.Socket): Promise<string> {
  let text = "";
  socket.on("data", (chunk: Buffer) => (text += chunk.toString("latin1")));
  return new Promise((resolve) => socket.once("close", () => resolve(text)));
}

const statuses = (text: string): string[] => text.match(/HTTP\/1\.1 \d+/g) ?? [];

let files = 0;
const newFile = (): string => join(folder, `into-${(files += 1)}`);

/** An upstream that answers each request with this body, on connections that it keeps. */
const upstreamOf =
  (body: Uint8Array): Answer =>
  (_, response) => {
    response.writeHead(200, { "content-length": body.byteLength });
    response.end(body);
  };

for (const kind of ["pipe", "pipeline"] as const)
  test(`an upload goes to a file past the parser, by ${kind}`, async () => {
    await assertAlike((way) => {
      const path = newFile();
      return serving(
        (request, response) => {
          const file = fs.createWriteStream(path);
          const events = [eventsOf(request), eventsOf(file)];
          const done = () => {
            assertTaken(way, request);
            response.end(JSON.stringify({ events, read: request.socket.bytesRead, written: file.bytesWritten }));
          };
          if (kind === "pipe") way.pipe(request, file).on("close", done);
          else
            way.pipeline(request, file, (error) =>
              error === null || error === undefined ? done() : response.destroy(error),
            );
        },
        async (port) => {
          const sent = http.request({
            port,
            host: "127.0.0.1",
            method: "POST",
            agent: false,
            headers: { "content-length": content.length },
          });
          sent.end(content);
          const [response] = (await once(sent, "response")) as [http.IncomingMessage];
          const told = (await collect(response)).toString();
          assertBytes(fs.readFileSync(path), content);
          return told;
        },
      );
    });
  });

test("two uploads and a GET in one stream: each body ends where it ends, by the very parser", async () => {
  await assertAlike((way) => {
    const paths = [newFile(), newFile()];
    const sources: http.IncomingMessage[] = [];
    return serving(
      (request, response) => {
        const path = paths[sources.length];
        if (request.method === "GET" || path === undefined) return void response.end("got");
        sources.push(request);
        way.pipe(request, fs.createWriteStream(path)).on("finish", () => response.end(`stored ${request.url}`));
      },
      async (port) => {
        const socket = await connectTo(port);
        const text = received(socket);
        const get = Buffer.from("GET /end HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n");
        socket.write(Buffer.concat([requestOf(content, "/1"), requestOf(other, "/2"), get]));
        const answers = await text;
        for (const source of sources) assertTaken(way, source);
        for (const [index, body] of [content, other].entries()) assertBytes(fs.readFileSync(paths[index] ?? ""), body);
        return answers.replace(/Date: .*/g, "");
      },
    );
  });
});

/** A server that passes on what another one answers. */
function proxyOf(
  way: Way,
  upstream: number,
  agent: http.Agent,
  headers: boolean,
  sources: http.IncomingMessage[],
): Answer {
  return (_, response) => {
    const asked = http.get({ port: upstream, host: "127.0.0.1", agent }, (source) => {
      sources.push(source);
      source.on("error", () => response.destroy());
      response.writeHead(
        source.statusCode ?? 0,
        headers ? { "content-length": String(source.headers["content-length"]) } : {},
      );
      way.pipe(source, response);
    });
    asked.on("error", () => response.destroy());
  };
}

for (const headers of [true, false])
  test(`an answer of another server is passed on, ${headers ? "with its length" : "in chunks"}, thrice by one connection each`, async () => {
    await assertAlike((way) =>
      serving(upstreamOf(content), async (upstream, server) => {
        let connections = 0;
        server.on("connection", () => (connections += 1));
        const agents = [1, 2].map(() => new http.Agent({ keepAlive: true, maxSockets: 1 }));
        const [inner, outer] = agents;
        assert.ok(inner && outer);
        const sources: http.IncomingMessage[] = [];
        const bodies = await serving(proxyOf(way, upstream, inner, headers, sources), async (port) => {
          const sums: string[] = [];
          for (let round = 0; round < 3; round++) {
            const sent = http.get({ port, host: "127.0.0.1", agent: outer });
            const [response] = (await once(sent, "response")) as [http.IncomingMessage];
            const body = await collect(response);
            assertBytes(body, content);
            sums.push(sha256(body));
          }
          return sums;
        });
        for (const source of sources) assertTaken(way, source);
        for (const agent of agents) agent.destroy();
        return { bodies, connections };
      }),
    );
  });

test("an answer goes to a plain socket", async () => {
  await assertAlike((way) =>
    serving(upstreamOf(content), async (upstream) => {
      const target = net.createServer().listen(0, "127.0.0.1");
      await once(target, "listening");
      const arrived = once(target, "connection").then(([socket]) => collect(socket as Readable));
      const socket = await connectTo((target.address() as net.AddressInfo).port);
      const sent = http.get({ port: upstream, host: "127.0.0.1", agent: false });
      const [source] = (await once(sent, "response")) as [http.IncomingMessage];
      way.pipe(source, socket);
      assertBytes(await arrived, content);
      assertTaken(way, source);
      target.close();
      return socket.bytesWritten;
    }),
  );
});

test("what an upstream sends beyond its length is met by Node's parser, and never by the next response", async () => {
  await assertAlike(async (way) => {
    const upstream = net.createServer((socket) => {
      socket
        .on("error", () => undefined)
        .once("data", () => {
          socket.write(`HTTP/1.1 200 OK\r\nContent-Length: ${content.length}\r\n\r\n`);
          socket.write(Buffer.concat([content, Buffer.from("excess")]));
        });
    });
    await once(upstream.listen(0, "127.0.0.1"), "listening");
    const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
    const { port } = upstream.address() as net.AddressInfo;
    const outcomes: unknown[] = [];
    for (let round = 0; round < 2; round++) {
      const path = newFile();
      const sent = http.get({ port, host: "127.0.0.1", agent });
      let failed = "none";
      sent.on("error", (error) => (failed = codeOf(error)));
      const [source] = (await once(sent, "response")) as [http.IncomingMessage];
      source.on("error", () => undefined);
      const file = way.pipe(source, fs.createWriteStream(path));
      await closed(source);
      assertTaken(way, source);
      file.end();
      await closed(file);
      // Node has delivered what came in the read that has the excess or not.
      const got = fs.readFileSync(path);
      assertBytes(got, content.subarray(0, got.length));
      outcomes.push({ failed, complete: source.complete, destroyed: sent.socket?.destroyed });
    }
    agent.destroy();
    upstream.close();
    return outcomes;
  });
});

for (const end of ["end", "resetAndDestroy"] as const)
  for (const kind of ["pipe", "pipeline"] as const)
    test(`a client that goes in mid-body (${end}) is told of as ever, by ${kind}`, async () => {
      await assertAlike((way) => {
        const path = newFile();
        let told: object | undefined;
        return serving(
          (request, response) => {
            const file = fs.createWriteStream(path);
            const events = [request, file, response].map((each) => eventsOf(each as unknown as Writable));
            const outcome: string[] = [];
            response.on("error", () => undefined);
            request.on("error", (error) => outcome.push(codeOf(error)));
            if (kind === "pipe") way.pipe(request, file);
            else way.pipeline(request, file, (error) => outcome.push(`pipeline ${codeOf(error)}`));
            request.on("close", () => {
              assertTaken(way, request);
              if (kind === "pipe") file.end();
            });
            void Promise.all([closed(request), closed(file)]).then(
              () =>
                (told = {
                  events: events.slice(0, 2),
                  outcome: [...outcome].sort(),
                  aborted: request.aborted,
                  complete: request.complete,
                }),
            );
          },
          async (port) => {
            const socket = await connectTo(port);
            const text = received(socket);
            socket.write(requestOf(content).subarray(0, 3 * MiB));
            await settles(async () => fs.existsSync(path) && fs.statSync(path).size > 2 * MiB + 900 * 1024);
            socket[end]();
            await text;
            await waitFor("the end of both streams", () => told !== undefined);
            const got = fs.readFileSync(path);
            assertBytes(got, content.subarray(0, got.length));
            return { ...told, answers: end === "end" ? statuses(await text) : [] };
          },
        );
      });
    });

test("pause, resume, unpipe and a second target lose nothing", async () => {
  await assertAlike((way) => {
    const paths = [newFile(), newFile()];
    return serving(
      (request, response) => {
        const [first, second] = paths.map((path) => fs.createWriteStream(path));
        assert.ok(first && second);
        way.pipe(request, first);
        const early = setInterval(() => {
          if (!fs.existsSync(paths[0] ?? "") || fs.statSync(paths[0] ?? "").size < MiB) return;
          clearInterval(early);
          request.pause();
          setTimeout(() => request.resume(), 50);
          setTimeout(() => {
            request.unpipe(first);
            first.end();
            setTimeout(
              () => way.pipe(request, second).on("finish", () => response.end(String(request.socket.bytesRead))),
              50,
            );
          }, 100);
        }, 5);
      },
      async (port) => {
        const headers = { "content-length": content.length };
        const sent = http.request({ port, host: "127.0.0.1", method: "PUT", agent: false, headers });
        sent.write(content.subarray(0, 2 * MiB));
        setTimeout(() => sent.end(content.subarray(2 * MiB)), 60);
        const [response] = (await once(sent, "response")) as [http.IncomingMessage];
        const read = String(await collect(response));
        assertBytes(Buffer.concat(paths.map((path) => fs.readFileSync(path))), content);
        return read;
      },
    );
  });
});

test("everything of Node's is back in its place, and no descriptor is left", async () => {
  const open = () => fs.readdirSync("/proc/self/fd").length;
  const handles: object[] = [];
  const parsers: { readonly [name: number]: unknown; readonly parser: object }[] = [];
  const upload = (way: Way) =>
    serving(
      (request, response) => {
        const socket = request.socket as net.Socket & { _handle: object; parser: { readonly [name: number]: unknown } };
        handles.push(socket._handle);
        const { parser } = socket;
        const onBody = parser[3];
        way.pipe(request, fs.createWriteStream(newFile())).on("finish", () => {
          assertTaken(way, request);
          assert.is(parser[3], onBody);
          assert.not.ok(Object.hasOwn(socket._handle, "readStart"));
          for (const name of ["push", "_read"]) assert.not.ok(Object.hasOwn(request, name), name);
          parsers.push({ parser });
          response.end("stored");
        });
      },
      async (port) => {
        for (let round = 0; round < 3; round++) {
          const sent = http.request({
            port,
            host: "127.0.0.1",
            method: "PUT",
            agent: false,
            headers: { "content-length": content.length },
          });
          sent.end(content);
          const [response] = (await once(sent, "response")) as [http.IncomingMessage];
          assert.is(String(await collect(response)), "stored");
        }
      },
    );
  await upload(ways.sluice);
  const before = open();
  await upload(ways.sluice);
  await settles(async () => open() <= before);
});

const objections: readonly (readonly [
  what: string,
  headers: http.OutgoingHttpHeaders,
  body: Buffer,
  reason: RegExp,
  change?: (request: http.IncomingMessage) => void,
])[] = [
  ["in chunks", { "transfer-encoding": "chunked" }, content, /chunks/],
  ["small", { "content-length": 70_000 }, content.subarray(0, 70_000), /too small/],
  ["decoded", { "content-length": content.length }, content, /decoded/, (request) => request.setEncoding("latin1")],
  [
    "with a push of its own",
    { "content-length": content.length },
    content,
    /push has been replaced/,
    (request) => {
      const { push } = request;
      request.push = (chunk: unknown) => push.call(request, chunk);
    },
  ],
  [
    "that is observed",
    { "content-length": content.length },
    content,
    /somebody else reads/,
    (request) => request.on("data", () => undefined),
  ],
  [
    "on a connection that somebody reads",
    { "content-length": content.length },
    content,
    /else reads the connection/,
    ({ socket }) => socket.on("data", () => undefined),
  ],
  [
    "whose parser is another",
    { "content-length": content.length },
    content,
    /not as it is known/,
    ({ socket }) => {
      const { parser } = socket as unknown as { parser: Record<number, (bytes: Buffer) => void> };
      const onBody = parser[3];
      parser[3] = function renamed(bytes: Buffer) {
        onBody?.call(parser, bytes);
      };
      socket.once("close", () => (parser[3] = onBody as (bytes: Buffer) => void));
    },
  ],
];

for (const [what, headers, body, reason, change] of objections)
  test(`a body ${what} goes Node's own way, and the reason is told`, async () => {
    await assertAlike((way) => {
      const path = newFile();
      return serving(
        (request, response) => {
          change?.(request);
          way.pipe(request, fs.createWriteStream(path, "latin1")).on("finish", () => {
            assertLeft(way, request, reason);
            response.end("stored");
          });
        },
        async (port) => {
          const sent = http.request({ port, host: "127.0.0.1", method: "PUT", agent: false, headers });
          sent.end(body);
          const [response] = (await once(sent, "response")) as [http.IncomingMessage];
          assert.is(String(await collect(response)), "stored");
          assertBytes(fs.readFileSync(path), body);
          return true;
        },
      );
    });
  });

test("a body that comes by HTTPS stays Node's, and says so", async () => {
  const psk = Buffer.from("a key that both sides know");
  const options = { ciphers: "PSK", maxVersion: "TLSv1.2" } as const;
  await assertAlike(async (way) => {
    const path = newFile();
    const server = https.createServer({ ...options, pskCallback: () => psk }, (request, response) => {
      way.pipe(request, fs.createWriteStream(path)).on("finish", () => {
        assertLeft(way, request, /^TLS decrypts in the process$/);
        response.end("stored");
      });
    });
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    const { port } = server.address() as net.AddressInfo;
    const pskCallback = () => ({ psk, identity: "test" });
    const createConnection = () =>
      tls.connect({ ...options, host: "127.0.0.1", port, pskCallback, checkServerIdentity: () => undefined });
    const sent = http.request({ method: "PUT", createConnection, headers: { "content-length": content.length } });
    sent.end(content);
    const [response] = (await once(sent, "response")) as [http.IncomingMessage];
    assert.is(String(await collect(response)), "stored");
    assertBytes(fs.readFileSync(path), content);
    server.closeAllConnections();
    server.close();
  });
});

test("a request without a body is no stream that is told of", async () => {
  await serving(
    (request, response) => {
      ways.sluice.pipe(request, response);
      request.on("end", () => assert.is(report(request), undefined));
    },
    async (port) => {
      const [response] = (await once(http.get({ port, host: "127.0.0.1", agent: false }), "response")) as [
        http.IncomingMessage,
      ];
      assert.is((await collect(response)).length, 0);
    },
  );
});

test.run();
