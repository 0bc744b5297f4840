/** CASES.md D 58: targets that no descriptor stands behind get the same bytes by the portable path. */
import { once } from "node:events";
import * as http2 from "node:http2";
import type { AddressInfo, Server } from "node:net";
import { PassThrough, Writable } from "node:stream";
import * as tls from "node:tls";
import { createGunzip, createGzip } from "node:zlib";
import { join } from "node:path";
import { type Report, type Target, transfer } from "sluice";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { assertBytes, dataFile, MiB } from "../contract/support/files.ts";
import { failure } from "../contract/support/outcome.ts";
import { collect } from "../support/data.ts";
import { tempFolder } from "../support/temp.ts";

const test = suite("stream targets");

const { path, content } = dataFile(tempFolder(), 3 * MiB + 17);

const portOf = (server: Server): number => (server.address() as AddressInfo).port;

/** Opens a target of some kind, lets `act` use it, and answers what came out at its other end. */
type Through = (act: (target: Target) => Promise<void>) => Promise<Buffer>;

const psk = Buffer.from("a key that both sides know");

const throughTls: Through = async (act) => {
  const server = tls.createServer({ ciphers: "PSK", pskCallback: () => psk, maxVersion: "TLSv1.2" });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const client = tls.connect({
    port: portOf(server),
    ciphers: "PSK",
    maxVersion: "TLSv1.2",
    pskCallback: () => ({ psk, identity: "test" }),
    checkServerIdentity: () => undefined,
  });
  const [socket] = (await once(server, "secureConnection")) as [tls.TLSSocket];
  const received = collect(client);
  await act(socket);
  socket.end();
  server.close();
  return await received;
};

const throughHttp2: Through = async (act) => {
  const server = http2.createServer();
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const session = http2.connect(`http://127.0.0.1:${portOf(server)}`);
  const request = session.request({ ":path": "/" });
  const [stream] = (await once(server, "stream")) as [http2.ServerHttp2Stream];
  const received = collect(request);
  stream.respond({ ":status": 200 });
  await act(stream);
  stream.end();
  const bytes = await received;
  session.close();
  server.close();
  return bytes;
};

const throughGzip: Through = async (act) => {
  const gzip = createGzip({ level: 1 });
  const received = collect(gzip.pipe(createGunzip()));
  await act(gzip);
  gzip.end();
  return await received;
};

const throughPassThrough: Through = async (act) => {
  const stream = new PassThrough({ highWaterMark: 1000 });
  const received = collect(stream);
  await act(stream);
  stream.end();
  return await received;
};

const throughWritable: Through = async (act) => {
  const chunks: Buffer[] = [];
  let pending = 0;
  const stream = new Writable({
    write(chunk: Buffer, _encoding, callback) {
      assert.is(++pending, 1, "one write at a time");
      chunks.push(Buffer.from(chunk));
      setImmediate(() => {
        pending--;
        callback();
      });
    },
  });
  await act(stream);
  stream.end();
  return Buffer.concat(chunks);
};

const targets: Readonly<Record<string, Through>> = {
  "a TLS socket": throughTls,
  "an HTTP/2 stream": throughHttp2,
  "a zlib stream": throughGzip,
  "a PassThrough": throughPassThrough,
  "a Writable": throughWritable,
};

for (const [name, through] of Object.entries(targets)) {
  test(`transfer() to ${name} brings the same bytes by the portable path (58)`, async () => {
    let report: Report | undefined;
    const received = await through(async (target) => {
      report = await transfer(path, target);
    });
    assertBytes(received, content);
    assert.is(report?.bytes, content.length);
    assert.is(report?.strategy, "portable");
    assert.is(report?.copied, "yes");
  });

  test(`transfer() of a range to ${name} keeps its place between writes (55, 58)`, async () => {
    const received = await through(async (target) => {
      if (!(typeof target === "object" && "write" in target)) throw new Error("Not a stream");
      const stream = target as Writable;
      stream.write("before ");
      await transfer(path, stream, { offset: 1000, length: MiB });
      stream.write(" after");
    });
    assertBytes(
      received,
      Buffer.concat([Buffer.from("before "), content.subarray(1000, 1000 + MiB), Buffer.from(" after")]),
    );
  });

  test(`transfer() to ${name} with fallback: false is ERR_SLUICE_UNSUPPORTED with nothing written (58)`, async () => {
    const received = await through(async (target) => {
      const error = await failure(() => transfer(path, target, { fallback: false }));
      assert.is(error.code, "ERR_SLUICE_UNSUPPORTED");
      assert.is(error.bytesTransferred, 0);
    });
    assert.is(received.length, 0);
  });

  test(`transfer() to ${name} of a missing file is ENOENT with nothing written (25, 58)`, async () => {
    const received = await through(async (target) => {
      assert.is((await failure(() => transfer(join(tempFolder(), "missing"), target))).code, "ENOENT");
    });
    assert.is(received.length, 0);
  });
}

test("transfer() to a Writable that fails rejects with its error as the cause (58)", async () => {
  const boom = new Error("boom");
  const stream = new Writable({
    write(_chunk, _encoding, callback) {
      callback(boom);
    },
  });
  const errors: unknown[] = [];
  stream.on("error", (error) => errors.push(error));
  const error = await failure(() => transfer(path, stream));
  assert.is(error.cause, boom);
});

test("transfer() waits for a slow Writable instead of filling it (58)", async () => {
  let held = 0;
  let most = 0;
  const stream = new Writable({
    highWaterMark: 16_384,
    write(chunk: Buffer, _encoding, callback) {
      held = stream.writableLength + chunk.length;
      most = Math.max(most, held);
      setTimeout(callback, 1);
    },
  });
  await transfer(path, stream);
  assert.ok(most <= MiB, `${most} bytes were waiting in the stream`);
});

test.run();
