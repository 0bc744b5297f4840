/** Bodies of HTTP messages on their way past the parser, and what may happen to them there: as without. */
import { AsyncLocalStorage } from "node:async_hooks";
import { once } from "node:events";
import * as fs from "node:fs";
import * as http from "node:http";
import * as net from "node:net";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { assertBytes, data, MiB } from "../contract/support/files.ts";
import { assertAlike, assertLeft, assertTaken, closed, codeOf, type Way, ways } from "../contract/support/streams.ts";
import { collect } from "../support/data.ts";
import { tempFolder } from "../support/temp.ts";
import { waitFor } from "../support/wait.ts";

const test = suite("bodies of messages under way");
const folder = tempFolder();
const content = data(6 * MiB, 5);

type Answer = (request: http.IncomingMessage, response: http.ServerResponse) => void;

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

let files = 0;
const newFile = (): string => join(folder, `into-${(files += 1)}`);
const sizeOf = (path: string): number => (fs.existsSync(path) ? fs.statSync(path).size : 0);

/** What a client sees of an answer: its bytes, and how it ended. */
async function outcomeOf(sent: http.ClientRequest): Promise<{ body: Buffer; end: string }> {
  const failed = new Promise<string>((resolve) => sent.on("error", (error) => resolve(codeOf(error))));
  const [response] = (await once(sent, "response")) as [http.IncomingMessage];
  const chunks: Buffer[] = [];
  response.on("data", (chunk: Buffer) => chunks.push(chunk)).on("error", () => undefined);
  const end = await Promise.race([failed, closed(response).then(() => (response.complete ? "complete" : "broken"))]);
  return { body: Buffer.concat(chunks), end };
}

/** An upstream that sends the first part of an answer, and then does what it is told. */
async function upstreamThat<T>(
  part: number,
  then: (socket: net.Socket) => void,
  use: (port: number) => Promise<T>,
): Promise<T> {
  const upstream = net.createServer((socket) => {
    socket
      .on("error", () => undefined)
      .once("data", () => {
        socket.write(`HTTP/1.1 200 OK\r\nContent-Length: ${content.length}\r\n\r\n`);
        socket.write(content.subarray(0, part), () => setTimeout(then, 100, socket));
      });
  });
  await once(upstream.listen(0, "127.0.0.1"), "listening");
  try {
    return await use((upstream.address() as net.AddressInfo).port);
  } finally {
    upstream.close();
  }
}

/** A server that passes an upstream's answer on by pipeline(), and tells how that came out. */
function passingOn(
  way: Way,
  port: number,
  chunked: boolean,
  told: string[],
  sources: http.IncomingMessage[] = [],
): Answer {
  return (_, response) => {
    const asked = http.get({ port, host: "127.0.0.1", agent: false }, (source) => {
      sources.push(source);
      if (!chunked) response.setHeader("content-length", content.length);
      way.pipeline(source, response, (error) => {
        told.push(codeOf(error));
      });
    });
    asked.on("error", () => undefined);
  };
}

const fates: Readonly<Record<string, (socket: net.Socket) => void>> = {
  "ends early": (socket) => void socket.end(),
  "is reset": (socket) => void socket.resetAndDestroy(),
};

for (const [fate, then] of Object.entries(fates))
  for (const chunked of [false, true])
    test(`an upstream that ${fate} breaks the answer${chunked ? " in chunks" : ""}`, async () => {
      await assertAlike((way) => {
        const told: string[] = [];
        const sources: http.IncomingMessage[] = [];
        return upstreamThat(4 * MiB + 99, then, (upstream) =>
          serving(passingOn(way, upstream, chunked, told, sources), async (port) => {
            const { body, end } = await outcomeOf(http.get({ port, host: "127.0.0.1", agent: false }));
            assertBytes(body, content.subarray(0, body.length));
            await waitFor("the pipeline's end", () => told.length > 0);
            for (const source of sources) assertTaken(way, source);
            return { end, told };
          }),
        );
      });
    });

for (const [fate, then] of Object.entries(fates))
  test(`an answer in chunks that its app ends after its upstream ${fate} is never read as whole with other bytes`, async () => {
    const play = (way: Way) =>
      upstreamThat(4 * MiB + 99, then, (upstream) =>
        serving(
          (_, response) => {
            http
              .get({ port: upstream, host: "127.0.0.1", agent: false }, (source) => {
                source.on("error", () => response.end("late"));
                way.pipe(source, response);
              })
              .on("error", () => undefined);
          },
          (port) => outcomeOf(http.get({ port, host: "127.0.0.1", agent: false })),
        ),
      );
    await assertAlike(async (way) => {
      const { body, end } = await play(way);
      const ours = end === "complete" ? body.subarray(0, -4) : body;
      assertBytes(ours, content.subarray(0, ours.length));
      if (end === "complete") assert.is(String(body.subarray(-4)), "late");
    });
  });

test("an upstream that stands still in mid-chunk and is destroyed by the app keeps nobody waiting", async () => {
  const outcomes: string[] = [];
  await assertAlike((way) =>
    upstreamThat(
      4 * MiB + 99,
      () => undefined,
      (upstream) =>
        serving(
          (_, response) => {
            const asked = http.get({ port: upstream, host: "127.0.0.1", agent: false }, (source) => {
              way.pipe(source, response);
              source.on("error", () => undefined);
              setTimeout(() => {
                source.destroy();
                response.end();
              }, 300);
            });
            asked.on("error", () => undefined);
          },
          async (port) => {
            const { body, end } = await outcomeOf(http.get({ port, host: "127.0.0.1", agent: false }));
            assertBytes(body, content.subarray(0, body.length));
            outcomes.push(end);
            return body.length;
          },
        ),
    ),
  );
  // What a chunk has promised and nobody will send ends the connection.
  assert.equal(outcomes.slice(0, 1), ["complete"]);
});

test("an answer in chunks goes on exactly when the app has paused, unpiped and written in between", async () => {
  await assertAlike((way) =>
    upstreamThat(
      3 * MiB,
      (socket) => setTimeout(() => socket.write(content.subarray(3 * MiB)), 200),
      (upstream) =>
        serving(
          (_, response) => {
            response.write("begin");
            http.get({ port: upstream, host: "127.0.0.1", agent: false }, (source) => {
              way.pipe(source, response, { end: false });
              source.on("end", () => response.end("end"));
              setTimeout(() => source.pause(), 120);
              setTimeout(() => {
                source.unpipe(response);
                response.write("|between|");
                way.pipe(source, response, { end: false });
              }, 160);
            });
          },
          async (port) => {
            const { body, end } = await outcomeOf(http.get({ port, host: "127.0.0.1", agent: false }));
            const at = body.indexOf("|between|");
            assert.ok(at > 0);
            assertBytes(
              Buffer.concat([body.subarray(0, at), body.subarray(at + 9)]),
              Buffer.concat([Buffer.from("begin"), content, Buffer.from("end")]),
            );
            return end;
          },
        ),
    ),
  );
});

test("a client that goes ends the upstream's connection too, by pipeline", async () => {
  await assertAlike((way) => {
    const told: string[] = [];
    let upstreamClosed = false;
    return serving(
      (_, response) => {
        response.on("close", () => (upstreamClosed = true));
        response.writeHead(200, { "content-length": 1024 * MiB });
        const more = (): void => {
          while (!response.destroyed && response.write(content));
          response.once("drain", more);
        };
        more();
      },
      (upstream) =>
        serving(passingOn(way, upstream, true, told), async (port) => {
          const sent = http.get({ port, host: "127.0.0.1", agent: false }).on("error", () => undefined);
          const [response] = (await once(sent, "response")) as [http.IncomingMessage];
          response.on("error", () => undefined);
          for await (const chunk of response) if ((chunk as Buffer).length > 0) break;
          sent.destroy();
          await waitFor("the upstream's end", () => upstreamClosed && told.length > 0);
          return told;
        }),
    );
  });
});

test("a request is echoed into its own answer", async () => {
  await assertAlike((way) =>
    serving(
      (request, response) => {
        response.setHeader("content-length", content.length);
        way.pipe(request, response).on("finish", () => assertLeft(way, request, /same/));
      },
      async (port) => {
        const headers = { "content-length": content.length };
        const sent = http.request({ port, host: "127.0.0.1", method: "POST", agent: false, headers });
        sent.end(content);
        const { body, end } = await outcomeOf(sent);
        assertBytes(body, content);
        return end;
      },
    ),
  );
});

test("a request that is piped late, one that expects 100, and one of HTTP/1.0 are whole", async () => {
  await assertAlike(async (way) => {
    const store =
      (path: string, delay: number): Answer =>
      (request, response) =>
        void setTimeout(() => {
          way.pipe(request, fs.createWriteStream(path)).on("finish", () => {
            assertTaken(way, request);
            response.end("stored");
          });
        }, delay);
    const heads = ["HTTP/1.1\r\nHost: a", "HTTP/1.1\r\nHost: a\r\nExpect: 100-continue", "HTTP/1.0"];
    const answers: string[] = [];
    for (const [index, head] of heads.entries()) {
      const path = newFile();
      await serving(store(path, index === 0 ? 100 : 0), async (port) => {
        const socket = net.connect(port, "127.0.0.1");
        const text = collect(socket);
        socket.write(`PUT / ${head}\r\nConnection: close\r\nContent-Length: ${content.length}\r\n\r\n`);
        socket.write(content);
        answers.push(String(await text).replace(/Date: .*/g, ""));
        assertBytes(fs.readFileSync(path), content);
      });
    }
    return answers;
  });
});

test("a body that stands still and goes on is whole, and idle time-outs fire when nothing moves", async () => {
  await assertAlike((way) => {
    const path = newFile();
    let timedOut = 0;
    return serving(
      (request, response) => {
        request.setTimeout(400, () => (timedOut += 1));
        way.pipe(request, fs.createWriteStream(path)).on("finish", () => {
          assertTaken(way, request);
          response.end("stored");
        });
      },
      async (port) => {
        const headers = { "content-length": content.length };
        const sent = http.request({ port, host: "127.0.0.1", method: "PUT", agent: false, headers });
        for (let at = 0; at < 4 * MiB; at += MiB / 4) {
          sent.write(content.subarray(at, at + MiB / 4));
          await sleep(60);
        }
        const moving = timedOut;
        await waitFor("the time-out", () => timedOut > 0);
        sent.end(content.subarray(4 * MiB));
        const { body } = await outcomeOf(sent);
        assertBytes(fs.readFileSync(path), content);
        return { moving, body: String(body) };
      },
    );
  });
});

const ends: Readonly<Record<string, (request: http.IncomingMessage, server: http.Server) => void>> = {
  "is destroyed": (request) => void request.destroy(),
  "is destroyed with an error": (request) => void request.destroy(new Error("enough")),
  "loses its socket": (request) => void request.socket.destroy(),
  "loses all connections of its server": (_, server) => server.closeAllConnections(),
};

for (const [end, act] of Object.entries(ends))
  test(`a body that ${end} on its way ends as ever`, async () => {
    await assertAlike((way) => {
      const path = newFile();
      let told: object | undefined;
      let server: http.Server | undefined;
      return serving(
        (request) => {
          const file = fs.createWriteStream(path);
          const errors: string[] = [];
          request.on("error", (error) => errors.push(`${codeOf(error)} ${error.message}`));
          way.pipe(request, file);
          const wait = setInterval(() => {
            if (sizeOf(path) < 3 * MiB - 400_000) return;
            clearInterval(wait);
            if (server !== undefined) act(request, server);
          }, 5);
          request.on("close", () => {
            assertTaken(way, request);
            told = { errors, aborted: request.aborted, readableEnded: request.readableEnded };
            file.end();
          });
        },
        async (port, its) => {
          server = its;
          const headers = { "content-length": content.length };
          const sent = http.request({ port, host: "127.0.0.1", method: "PUT", agent: false, headers });
          const failed = once(sent, "error").catch(() => []);
          const error = new Promise<string>((resolve) => sent.on("error", (reason) => resolve(codeOf(reason))));
          sent.write(content.subarray(0, 3 * MiB));
          await waitFor("the end", () => told !== undefined);
          void failed;
          return { ...told, client: await error };
        },
      );
    });
  });

test("no body's events come in the asynchronous context of another", async () => {
  const store = new AsyncLocalStorage<string>();
  for (const way of Object.values(ways))
    await serving(
      (request, response) =>
        void store.run(String(request.url), () => {
          const file = fs.createWriteStream(newFile());
          way.pipe(request, file);
          file.on("finish", () => response.end(store.getStore()));
        }),
      async (port) => {
        const answers = [1, 2, 3, 4].map(async (number) => {
          const headers = { "content-length": content.length };
          const path = `/${number}`;
          const sent = http.request({ port, path, host: "127.0.0.1", method: "PUT", agent: false, headers });
          sent.end(content);
          // In plain Node, too, it is now the request's own and now that of the parser, which has none.
          assert.ok(["", path].includes(String((await outcomeOf(sent)).body)));
        });
        await Promise.all(answers);
      },
    );
});

test("a disk that is full in mid-body fails the file, and nothing else", async () => {
  await assertAlike((way) =>
    serving(
      (request, response) => {
        way.pipeline(request, fs.createWriteStream("/dev/full"), (error) => response.destroy(error ?? undefined));
      },
      async (port) => {
        const headers = { "content-length": content.length };
        const sent = http.request({ port, host: "127.0.0.1", method: "PUT", agent: false, headers });
        sent.end(content);
        const [error] = (await once(sent, "error")) as [Error];
        return codeOf(error) === "EPIPE" ? "ECONNRESET" : codeOf(error);
      },
    ),
  );
});

test.run();
