/** Bodies that are not handed over, each with its reason. Where a runtime shows no parser, that is the reason for all. */
import { once } from "node:events";
import { createReadStream, createWriteStream, readFileSync } from "node:fs";
import * as http from "node:http";
import * as http2 from "node:http2";
import * as net from "node:net";
import { join } from "node:path";
import process from "node:process";
import { Readable, Writable } from "node:stream";
import { createGzip } from "node:zlib";
import { report } from "sluice/stream";
import { assert, test } from "../support/contract.ts";
import { collect } from "../support/data.ts";
import { tempFolder } from "../support/temp.ts";
import { assertBytes, data, MiB } from "./support/files.ts";
import { closed, ways } from "./support/streams.ts";

const content = data(3 * MiB, 5);
const folder = tempFolder();
const engine = { needs: ["engine"] } as const;

const runtimesOwn: RegExp | undefined =
  process.versions["bun"] !== undefined ? /^Bun's / : process.versions["deno"] !== undefined ? /^Deno / : undefined;

function assertReason(source: Readable, reason: RegExp): void {
  const told = report(source);
  assert.is(told?.native, false);
  assert.is(told?.bytes, 0);
  assert.match(told?.reason ?? "undecided", reason);
}

async function listening<T>(server: net.Server, use: (port: number) => Promise<T>): Promise<T> {
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  try {
    return await use((server.address() as net.AddressInfo).port);
  } finally {
    server.close();
  }
}

type Upload = (request: http.IncomingMessage) => Promise<void>;

/** Has the content uploaded, with these headers. */
async function upload(headers: http.OutgoingHttpHeaders, take: Upload): Promise<void> {
  const server = http.createServer((request, response) => {
    take(request).then(
      () => response.end("taken"),
      (error: unknown) => response.writeHead(500).end(String(error)),
    );
  });
  await listening(server, async (port) => {
    const sent = http.request({ host: "127.0.0.1", port, method: "PUT", agent: false, headers });
    sent.end(content);
    const [response] = (await once(sent, "response")) as [http.IncomingMessage];
    assert.is(String(await collect(response)), "taken");
  });
}

const announced = { "content-length": content.length } as const;

async function assertStored(source: Readable, name: string, reason: RegExp): Promise<void> {
  const path = join(folder, name);
  const file = createWriteStream(path);
  ways.sluice.pipe(source, file);
  await closed(file);
  assertBytes(readFileSync(path), content);
  assertReason(source, reason);
}

test("a body in chunks says so", engine, () =>
  upload({ "transfer-encoding": "chunked" }, (request) =>
    assertStored(request, "chunks", runtimesOwn ?? /^the body comes in chunks$/),
  ),
);

/** As multipart parsers are, and decoders. */
const targets: Readonly<Record<string, () => Writable>> = {
  "a Writable of the app's own": () => new Writable({ write: (_chunk, _encoding, done) => done() }),
  "a compressor": () => createGzip().resume(),
};

for (const [what, make] of Object.entries(targets))
  test(`a body that goes to ${what} says so`, engine, () =>
    upload(announced, async (request) => {
      const target = make();
      ways.sluice.pipe(request, target);
      await once(target, "finish");
      assertReason(request, runtimesOwn ?? /^the target is not a response, socket or file but (Writable|Gzip)$/);
    }),
  );

test("a body that is echoed into its own answer says so", engine, async () => {
  const server = http.createServer((request, response) => {
    response.setHeader("content-length", content.length);
    ways.sluice.pipe(request, response);
    response.once("close", () => assertReason(request, runtimesOwn ?? /^source and target are the same file$/));
  });
  await listening(server, async (port) => {
    const sent = http.request({ host: "127.0.0.1", port, method: "PUT", agent: false, headers: announced });
    sent.end(content);
    const [response] = (await once(sent, "response")) as [http.IncomingMessage];
    assertBytes(await collect(response), content);
  });
});

test("a body that ends with its connection says so", engine, async () => {
  const server = net.createServer((socket) => {
    socket.once("data", () => {
      socket.write("HTTP/1.1 200 OK\r\n\r\n");
      socket.end(content);
    });
  });
  await listening(server, async (port) => {
    const asked = http.get({ host: "127.0.0.1", port, agent: false });
    const [answer] = (await once(asked, "response")) as [http.IncomingMessage];
    await assertStored(answer, "until-close", runtimesOwn ?? /^the body ends with its connection$/);
  });
});

const foreign = /^the source is not a file, a socket or a message of node:http but \w+$/;

test("the body of a fetch() says so", engine, async () => {
  const server = http.createServer((_request, response) => response.end(content));
  await listening(server, async (port) => {
    // Kept: fetch() of Node 22 fails an assertion of its own where a connection ends while it holds a body back.
    const { body } = await fetch(`http://127.0.0.1:${port}/`);
    assert.ok(body);
    await assertStored(Readable.fromWeb(body as ReadableStream), "fetch", foreign);
    server.closeAllConnections();
  });
});

test("a body of HTTP/2 says so", engine, async () => {
  const server = http2.createServer((request, response) => {
    assertStored(request, "http2", /^HTTP\/2 is unpacked in the process$/).then(
      () => response.end("taken"),
      (error: unknown) => response.stream.close(2, () => console.error(error)),
    );
  });
  await listening(server, async (port) => {
    const client = http2.connect(`http://127.0.0.1:${port}`);
    const stream = client.request({ ":method": "PUT" });
    stream.end(content);
    assert.is(String(await collect(stream)), "taken");
    assertReason(stream, /^HTTP\/2 is unpacked in the process$/);
    client.close();
    await once(client, "close");
  });
});

test("a stream that is none of node's files, sockets and messages says what it is", engine, async () => {
  const source = Readable.from([content]);
  await assertStored(source, "readable", foreign);
  assert.is(
    report(
      createReadStream(join(folder, "readable"))
        .on("error", () => undefined)
        .destroy(),
    ),
    undefined,
  );
});
