/** The body of a Request, and other ReadableStreams, as the source of transfer(): files that are whole or not there. */
import { execFile } from "node:child_process";
import * as fs from "node:fs";
import * as http from "node:http";
import { join } from "node:path";
import { promisify } from "node:util";
import { explain, type Report, transfer, TransferError } from "sluice";
import { type FetchHandler, serve, toNodeHandler } from "sluice/fetch";
import { assert, test } from "../support/contract.ts";
import { tempFolder } from "../support/temp.ts";
import { settles, waitFor } from "../support/wait.ts";
import { connectTo, request } from "./support/fetch.ts";
import { assertBytes, data, dataFile, MiB } from "./support/files.ts";
import { failure, rejection } from "./support/outcome.ts";

const curl = (...args: readonly string[]) =>
  promisify(execFile)("curl", ["--silent", "--show-error", "--fail", "--max-time", "60", ...args]);

interface Site extends AsyncDisposable {
  readonly port: number;
  readonly folder: string;
  readonly path: string;
  readonly reports: Report[];
  readonly errors: TransferError[];
}

/** A server that writes what it is sent to a path, whole. */
async function site(start: (fetch: FetchHandler) => Promise<AsyncDisposable & { port: number }> = ours): Promise<Site> {
  const folder = tempFolder();
  const path = join(folder, "target");
  const reports: Report[] = [];
  const errors: TransferError[] = [];
  const server = await start(async ({ body }) => {
    try {
      reports.push(await transfer(body ?? new Uint8Array(), path, { atomic: true }));
      return new Response(null, { status: 201 });
    } catch (error) {
      if (error instanceof TransferError) errors.push(error);
      throw error;
    }
  });
  return {
    port: server.port,
    folder,
    path,
    reports,
    errors,
    [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
  };
}

const ours = (fetch: FetchHandler) => serve({ fetch, host: "127.0.0.1", onError: () => undefined });

/** The runtime's own http.Server. */
async function theirs(fetch: FetchHandler) {
  const server = http.createServer(toNodeHandler(fetch, { onError: () => undefined }));
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    port: (server.address() as { port: number }).port,
    async [Symbol.asyncDispose]() {
      server.close();
      server.closeAllConnections?.();
    },
  };
}

for (const [name, start] of Object.entries({ "serve()": ours, "toNodeHandler()": theirs })) {
  test(`${name}: transfer() writes the body of a Request to a path, with a length and in chunks`, {}, async () => {
    await using here = await site(start);
    const { path: source, content } = dataFile(tempFolder(), 24 * MiB);
    for (const chunked of [[], ["--header", "Transfer-Encoding: chunked"]]) {
      fs.rmSync(here.path, { force: true });
      await curl("--upload-file", source, ...chunked, `http://127.0.0.1:${here.port}/`);
      assertBytes(fs.readFileSync(here.path), content);
      assert.is(here.reports.pop()?.bytes, content.length);
    }
    assert.equal(fs.readdirSync(here.folder), ["target"]);
  });

  test(`${name}: a body of no bytes, and none at all, make an empty file`, {}, async () => {
    await using here = await site(start);
    for (const fields of ["Content-Length: 0\r\n", "Transfer-Encoding: chunked\r\n", ""]) {
      fs.rmSync(here.path, { force: true });
      const socket = await connectTo(here);
      socket.write(
        `POST / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n${fields}\r\n${fields.includes("chunked") ? "0\r\n\r\n" : ""}`,
      );
      socket.resume();
      await waitFor("the file", () => fs.existsSync(here.path));
      assert.is(fs.statSync(here.path).size, 0);
    }
  });

  for (const how of ["ends its side", "resets"])
    for (const framing of ["Content-Length: 300000", "Transfer-Encoding: chunked"])
      test(
        `${name}: a client that ${how} within a body (${framing}) leaves nothing, and the file that was there`,
        {},
        async () => {
          await using here = await site(start);
          fs.writeFileSync(here.path, "old");
          const socket = await connectTo(here);
          socket.on("error", () => undefined);
          socket.write(`PUT / HTTP/1.1\r\nHost: x\r\n${framing}\r\n\r\n`);
          if (framing.includes("chunked")) socket.write("186a0\r\n");
          socket.write(Buffer.alloc(100_000));
          // The beginning has been written by then.
          await waitFor("the beginning", () => fs.readdirSync(here.folder).length > 1 || bytesWritten() > 0);
          if (how === "resets") socket.resetAndDestroy();
          else socket.end();
          await waitFor("the failure", () => here.errors.length === 1);
          const [error] = here.errors;
          assert.is(error?.code, "ECONNRESET");
          assert.ok((error?.bytesTransferred ?? -1) >= 0 && (error?.bytesTransferred ?? 0) <= 100_000);
          assert.is(error?.dest, here.path);
          assert.is(fs.readFileSync(here.path, "utf8"), "old");
          assert.equal(fs.readdirSync(here.folder), ["target"]);
        },
      );
}

/** Unnamed temporaries don't show in their folder: how much has been written to those that are open. */
function bytesWritten(): number {
  let sum = 0;
  for (const fd of fs.readdirSync("/proc/self/fd"))
    try {
      if (fs.readlinkSync(`/proc/self/fd/${fd}`).includes("(deleted)")) sum += fs.statSync(`/proc/self/fd/${fd}`).size;
    } catch {
      // Closed by now.
    }
  return sum;
}

test("what a client sends beyond its Content-Length is no part of the body", {}, async () => {
  await using here = await site();
  const socket = await connectTo(here);
  socket.write(
    "PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhelloPUT / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nok",
  );
  socket.resume();
  await waitFor("both", () => here.reports.length === 2);
  assert.equal(new Set(here.reports.map(({ bytes }) => bytes)), new Set([5, 2]));
  assert.match(fs.readFileSync(here.path, "utf8"), /^(?:hello|ok)$/);
  socket.destroy();
});

/** Has a handler act on one Request, which a client sends 300,000 bytes with. */
async function handling(act: (asked: Request, path: string, content: Buffer) => Promise<void>): Promise<void> {
  const content = data(300_000);
  const path = join(tempFolder(), "target");
  let failed: unknown;
  await using server = await ours(async (asked) => {
    if (asked.url.endsWith("/next")) return new Response("next");
    await act(asked, path, content).catch((error: unknown) => (failed = error));
    return new Response("done");
  });
  const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
  assert.is((await request(server, "/", { method: "PUT", agent }, content)).body.toString(), "done");
  if (failed !== undefined) throw failed;
  // Whatever was left of the body, the connection goes on.
  assert.is((await request(server, "/next", { agent })).body.toString(), "next");
  agent.destroy();
}

const bodyOf = ({ body }: Request): ReadableStream<Uint8Array> => {
  assert.ok(body !== null);
  return body as ReadableStream<Uint8Array>;
};

test("a body that has been read, or is being read, is a typed error, and nothing is made", {}, () =>
  handling(async (asked, path) => {
    const body = bodyOf(asked);
    const reader = body.getReader();
    assert.is((await failure(() => transfer(body, path))).code, "ERR_INVALID_STATE");
    reader.releaseLock();
    await asked.arrayBuffer();
    assert.is((await failure(() => transfer(body, path, { atomic: true }))).code, "ERR_INVALID_STATE");
    assert.not.ok(fs.existsSync(path));
  }),
);

test("a body that was read to its end by hand is no empty one", {}, () =>
  handling(async (asked, path) => {
    const body = bodyOf(asked);
    const reader = body.getReader();
    while (!(await reader.read()).done);
    reader.releaseLock();
    assert.is((await failure(() => transfer(body, path, { atomic: true }))).code, "ERR_INVALID_STATE");
    assert.not.ok(fs.existsSync(path));
  }),
);

test("a body is transferred once, and nobody else's from then on", {}, () =>
  handling(async (asked, path, content) => {
    const body = bodyOf(asked);
    const first = transfer(body, path);
    assert.ok(body.locked);
    assert.is((await failure(() => transfer(body, path))).code, "ERR_INVALID_STATE");
    assert.is((await first).bytes, content.length);
    assertBytes(fs.readFileSync(path), content);
    assert.is((await failure(() => transfer(body, path))).code, "ERR_INVALID_STATE");
    assertBytes(fs.readFileSync(path), content);
    await rejection(() => asked.text());
  }),
);

test("a body that was read in part gives the rest", {}, () =>
  handling(async (asked, path, content) => {
    const body = bodyOf(asked);
    const reader = body.getReader();
    const { value } = await reader.read();
    reader.releaseLock();
    await transfer(body, path);
    assertBytes(fs.readFileSync(path), content.subarray(value?.length));
  }),
);

test("a clone of a body, and a body behind a transform, are written like the first", {}, () =>
  handling(async (asked, path, content) => {
    const clone = asked.clone();
    const through = bodyOf(asked).pipeThrough(new TransformStream<Uint8Array, Uint8Array>());
    await Promise.all([transfer(through, path), transfer(bodyOf(clone), `${path}2`)]);
    assertBytes(fs.readFileSync(path), content);
    assertBytes(fs.readFileSync(`${path}2`), content);
  }),
);

test("length takes the beginning of a body, and the connection goes on", {}, () =>
  handling(async (asked, path, content) => {
    assert.is((await transfer(bodyOf(asked), path, { length: 1000 })).bytes, 1000);
    assertBytes(fs.readFileSync(path), content.subarray(0, 1000));
  }),
);

test("a target that can't be written, and an abort, fail, and the connection goes on", {}, async () => {
  await handling(async (asked, path) => {
    assert.is((await failure(() => transfer(bodyOf(asked), join(path, "none"), { atomic: true }))).code, "ENOENT");
  });
  await handling(async (asked, path) => {
    const signal = AbortSignal.abort();
    assert.is((await failure(() => transfer(bodyOf(asked), path, { atomic: true, signal }))).code, "ABORT_ERR");
    assert.not.ok(fs.existsSync(path));
  });
});

test("explain() reads no body", {}, () =>
  handling(async (asked, path, content) => {
    await explain(bodyOf(asked), path);
    assert.not.ok(bodyOf(asked).locked);
    await transfer(bodyOf(asked), path);
    assertBytes(fs.readFileSync(path), content);
  }),
);

test("an idle upload is aborted by the signal of its Request when the client goes", {}, async () => {
  const path = join(tempFolder(), "target");
  let error: TransferError | undefined;
  await using server = await ours(async ({ body, signal }) => {
    error = await failure(() => transfer(body ?? new Uint8Array(), path, { atomic: true, signal }));
    return new Response("late");
  });
  const socket = await connectTo(server);
  socket.on("error", () => undefined);
  socket.write("PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nabc", () => socket.destroy());
  assert.ok(await settles(() => error !== undefined));
  assert.ok(error?.code === "ECONNRESET" || error?.code === "ABORT_ERR", error?.code);
  assert.not.ok(fs.existsSync(path));
});

/** A stream of these chunks, an Error among which it fails with. */
function streamOf(chunks: readonly unknown[], onCancel: () => void = () => undefined): ReadableStream<Uint8Array> {
  const left = [...chunks];
  return new ReadableStream<Uint8Array>(
    {
      pull(controller) {
        const chunk = left.shift();
        if (chunk instanceof Error) controller.error(chunk);
        else if (chunk === undefined) controller.close();
        else controller.enqueue(chunk as Uint8Array);
      },
      cancel: onCancel,
    },
    { highWaterMark: 0 },
  );
}

test("any ReadableStream of bytes is a source", {}, async () => {
  const path = join(tempFolder(), "target");
  const content = data(2 * MiB);
  const chunks = [content.subarray(0, 1), new Uint8Array(), content.subarray(1, MiB), content.subarray(MiB)];
  const { bytes, strategy } = await transfer(streamOf(chunks), path);
  assert.is(bytes, content.length);
  assert.is(strategy, "portable");
  assertBytes(fs.readFileSync(path), content);
  await transfer(new Blob([content]).stream(), path);
  assertBytes(fs.readFileSync(path), content);
  const sent = new Response("text").body;
  assert.ok(sent !== null);
  if (sent !== null) await transfer(sent, path);
  assert.is(fs.readFileSync(path, "utf8"), "text");
});

test("a ReadableStream that fails, or gives something else than bytes, fails the transfer", {}, async () => {
  const path = join(tempFolder(), "target");
  const error = await failure(() => transfer(streamOf([data(1000), new Error("On purpose")]), path, { atomic: true }));
  assert.is(error.bytesTransferred, 1000);
  assert.is((error.cause as Error).message, "On purpose");
  let isCancelled = false;
  await rejection(() =>
    transfer(
      streamOf(["text"], () => (isCancelled = true)),
      path,
      { atomic: true },
    ),
  );
  assert.ok(isCancelled);
  assert.not.ok(fs.existsSync(path));
});

test("a transfer that ends before its ReadableStream cancels that", {}, async () => {
  const path = join(tempFolder(), "target");
  let cancelled = 0;
  const endless = () =>
    new ReadableStream<Uint8Array>({
      pull: (controller) => controller.enqueue(new Uint8Array(1000)),
      cancel: () => void cancelled++,
    });
  await transfer(endless(), path, { length: 1500 });
  assert.is(cancelled, 1);
  const abort = new AbortController();
  const silent = new ReadableStream<Uint8Array>({ cancel: () => void cancelled++ });
  const moving = transfer(silent, path, { signal: abort.signal });
  abort.abort();
  assert.is((await failure(() => moving)).code, "ABORT_ERR");
  assert.is(cancelled, 2);
});

test("the error for a body that is null says what to do", {}, async () => {
  const error = await rejection(() => transfer(null as never, join(tempFolder(), "target")));
  assert.instance(error, TypeError);
  assert.match(error.message, "request.body ??");
});
