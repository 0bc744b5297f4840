/** stats() and prometheus(): every stream and every byte once, by the way that report() tells, and what the engine holds. */
import * as fs from "node:fs";
import * as http from "node:http";
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { PassThrough, type Readable, Writable } from "node:stream";
import * as zlib from "node:zlib";
import { createRing, map, proxy, transfer } from "sluice";
import { createReadStream, pipe, prometheus, promises, report, type Stats, stats } from "sluice/stream";
import { assert, test } from "../support/contract.ts";
import { collect } from "../support/data.ts";
import { tempFolder } from "../support/temp.ts";
import { waitFor } from "../support/wait.ts";
import { connect } from "./support/connection.ts";
import { dataFile, MiB } from "./support/files.ts";
import { closed, withConnection } from "./support/streams.ts";

const engine = { needs: ["engine"] } as const;

type Row = Stats["streams"][number];

/** What has been added meanwhile, row by row. */
function since(before: Stats): readonly Row[] {
  const known = new Map(before.streams.map((row) => [`${row.way} ${row.reason}`, row]));
  return stats()
    .streams.map((row) => {
      const { streams = 0, bytes = 0 } = known.get(`${row.way} ${row.reason}`) ?? {};
      return { ...row, streams: row.streams - streams, bytes: row.bytes - bytes };
    })
    .filter(({ streams, bytes }) => streams > 0 || bytes > 0);
}

const sum = (rows: readonly Row[], field: "streams" | "bytes"): number =>
  rows.reduce((total, row) => total + row[field], 0);

/** Asserts that one stream has been counted, as it reports, with its bytes by the ways that they went. */
function assertCounted(before: Stats, source: Readable, bytes: number): void {
  const rows = since(before);
  const told = report(source);
  const way = told?.native === true ? told.strategy : "portable";
  const counted = rows.filter(({ streams }) => streams > 0);
  assert.equal(
    counted.map((row) => [row.way, row.reason, row.streams]),
    [[way, told?.reason, 1]],
  );
  assert.is(sum(rows, "bytes"), bytes, JSON.stringify(rows));
  const native = rows.filter((row) => row.way !== "portable");
  assert.is(sum(native, "bytes"), told?.bytes);
}

const size = 2 * MiB + 7;

for (const autoClose of [true, false])
  test(
    `a file to a socket counts once, with all its bytes${autoClose ? "" : ", though it stays open"}`,
    engine,
    async () => {
      await withConnection(async ({ socket, peer }) => {
        const { path } = dataFile(tempFolder(), size);
        const before = stats();
        const source = createReadStream(path, { autoClose });
        const received = collect(peer);
        await promises.pipeline(source, socket);
        assert.is((await received).length, size);
        if (!autoClose) source.destroy();
        assertCounted(before, source, size);
      });
    },
  );

test("a file that is compressed counts its own bytes", engine, async () => {
  const { path } = dataFile(tempFolder(), size);
  const before = stats();
  const source = createReadStream(path);
  await promises.pipeline(source, zlib.createGzip(), new PassThrough().resume());
  await closed(source);
  assert.match(report(source)?.reason ?? "", /Gzip|Bun/);
  assertCounted(before, source, size);
});

test("a range, and an empty file", engine, async () => {
  await withConnection(async ({ socket, peer }) => {
    const { path } = dataFile(tempFolder(), size);
    peer.resume();
    let before = stats();
    const range = createReadStream(path, { start: 100, end: 100_099 });
    pipe(range, socket, { end: false });
    await closed(range);
    assertCounted(before, range, 100_000);
    const empty = join(tempFolder(), "empty");
    fs.writeFileSync(empty, "");
    before = stats();
    const nothing = createReadStream(empty);
    pipe(nothing, socket);
    await closed(nothing);
    assertCounted(before, nothing, 0);
  });
});

test("a file that is handed back on its way counts once, and each byte once", engine, async () => {
  await withConnection(async ({ socket, peer }) => {
    const { path } = dataFile(tempFolder(), 32 * MiB);
    const before = stats();
    const source = createReadStream(path);
    pipe(source, socket);
    await once(peer, "readable");
    source.unpipe(socket);
    const rest = collect(source);
    peer.resume();
    await rest;
    await closed(source);
    assert.is(source.bytesRead, 32 * MiB);
    assertCounted(before, source, 32 * MiB);
  });
});

test("a file that is destroyed half-way counts what was read", engine, async () => {
  const { path } = dataFile(tempFolder(), 8 * MiB);
  const before = stats();
  const source = createReadStream(path);
  let seen = 0;
  const target = new Writable({
    write(chunk: Buffer, _encoding, callback) {
      seen += chunk.length;
      if (seen > MiB) source.destroy();
      else callback();
    },
  });
  pipe(source, target);
  await closed(source);
  assertCounted(before, source, source.bytesRead);
  assert.ok(source.bytesRead > MiB && source.bytesRead < 8 * MiB);
});

test("a socket that is piped to a socket counts once, with what was read before", engine, async () => {
  using from = await connect();
  using to = await connect();
  const before = stats();
  const received = collect(to.peer);
  from.peer.end(Buffer.alloc(4 * MiB));
  pipe(from.socket, to.socket);
  assert.is((await received).length, 4 * MiB);
  from.socket.destroy();
  await closed(from.socket);
  await waitFor("its bytes", () => report(from.socket) === undefined || sum(since(before), "bytes") >= 4 * MiB);
  // One that came in small pieces was never decided.
  if (report(from.socket) === undefined) assert.equal(since(before), []);
  else assertCounted(before, from.socket, 4 * MiB);
});

test("a file to a response of node:http", engine, async () => {
  const { path } = dataFile(tempFolder(), size);
  const sources: fs.ReadStream[] = [];
  const server = http.createServer((_request, response) => {
    const source = createReadStream(path);
    sources.push(source);
    pipe(source, response);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const before = stats();
  const answer = await fetch(`http://127.0.0.1:${(server.address() as AddressInfo).port}/`);
  assert.is((await answer.arrayBuffer()).byteLength, size);
  const [source] = sources;
  if (source === undefined) throw new Error("Nothing was asked for");
  await closed(source);
  assertCounted(before, source, size);
  server.close();
  server.closeAllConnections();
});

test("stats() answers numbers of its own", engine, () => {
  const first = stats();
  const text = JSON.stringify(first);
  for (const row of first.streams) Object.assign(row, { bytes: -1 });
  assert.is(
    JSON.stringify({ ...stats(), engine: undefined }),
    JSON.stringify({ ...JSON.parse(text), engine: undefined }),
  );
});

/** The engine's numbers, or a failure. */
function engineNow(): NonNullable<Stats["engine"]> {
  const { engine: numbers } = stats();
  if (numbers === undefined) throw new Error("There is no engine");
  return numbers;
}

test(
  "jobs, threads, descriptors and memory of a send that waits, and after it",
  { ...engine, alone: true },
  async () => {
    using link = await connect();
    const idle = engineNow();
    const controller = new AbortController();
    const bytes = new Uint8Array(64 * MiB);
    const sent = transfer(bytes, link.socket, { signal: controller.signal, strategy: "buffered" }).catch(
      () => undefined,
    );
    await waitFor("it to wait", () => engineNow().jobs.running === idle.jobs.running + 1);
    const busy = engineNow();
    assert.is(busy.memory.sends - idle.memory.sends, 64 * MiB);
    assert.ok(busy.threads > 0);
    assert.ok(busy.descriptors > idle.descriptors);
    controller.abort();
    await sent;
    await waitFor("it to be over", () => engineNow().jobs.running === idle.jobs.running);
    const after = engineNow();
    assert.ok(after.jobs.done > idle.jobs.done);
    assert.is(after.memory.sends, idle.memory.sends);
    await waitFor("its descriptors to be closed", () => engineNow().descriptors <= busy.descriptors - 1);
  },
);

test("mapped files", { ...engine, alone: true }, async () => {
  const { path } = dataFile(tempFolder(), size);
  const before = engineNow().memory.mappings;
  {
    using mapping = await map(path);
    assert.is(mapping.length, size);
    assert.is(engineNow().memory.mappings - before, size);
  }
  await waitFor("it to be unmapped", () => engineNow().memory.mappings === before);
});

test("shared rings", { ...engine, alone: true }, async () => {
  const before = engineNow().memory.rings;
  const shared = await createRing({ bytes: MiB });
  assert.is(engineNow().memory.rings - before, MiB);
  await shared.close();
  assert.is(engineNow().memory.rings, before);
});

test("pairs of proxy()", { ...engine, alone: true }, async () => {
  using left = await connect();
  using right = await connect();
  const before = engineNow();
  const joined = proxy(left.socket, right.socket);
  const received = collect(right.peer);
  left.peer.end("hello");
  right.peer.end();
  left.peer.resume();
  const { aToB } = await joined;
  assert.is((await received).toString(), "hello");
  const isNative = aToB.strategy !== "portable";
  await waitFor("it to be closed", () => engineNow().pairs.done === before.pairs.done + (isNative ? 1 : 0));
  assert.is(engineNow().pairs.open, before.pairs.open);
});

/** Reads the text format as Prometheus does: names, labels with their escapes, values. */
function parse(text: string): Map<string, number> {
  const values = new Map<string, number>();
  const typed = new Set<string>();
  for (const line of text.split("\n").slice(0, -1)) {
    const comment = /^# (HELP|TYPE) ([a-z_]+) (.+)$/.exec(line);
    if (comment !== null) {
      if (comment[1] === "TYPE") typed.add(comment[2] ?? "");
      continue;
    }
    const sample = /^([a-z_]+)(?:\{((?:[a-z]+="(?:[^"\\\n]|\\["\\n])*",?)+)\})? (\d+)$/.exec(line);
    if (sample === null) throw new Error(`No sample: ${line}`);
    assert.ok(typed.has(sample[1] ?? ""), `${line} has no type`);
    const labels = [...(sample[2] ?? "").matchAll(/([a-z]+)="((?:[^"\\]|\\.)*)"/g)].map(
      ([, name = "", value = ""]) =>
        `${name}=${value.replace(/\\(.)/g, (_whole, character: string) => (character === "n" ? "\n" : character))}`,
    );
    values.set([sample[1], ...labels].join("|"), Number(sample[3]));
  }
  assert.ok(text.endsWith("\n"));
  return values;
}

test("prometheus() says the same as stats(), whatever the reasons are", engine, async () => {
  const { path } = dataFile(tempFolder(), 1000);
  const Odd = { ["Odd"]: class extends PassThrough {} }.Odd;
  Object.defineProperty(Odd, "name", { value: 'Odd "name"\\\nof two lines' });
  const source = createReadStream(path);
  pipe(source, new Odd()).resume();
  await closed(source);
  const { streams, engine: now } = stats();
  const values = parse(prometheus());
  assert.ok(streams.length > 0);
  for (const { way, reason, streams: count, bytes } of streams) {
    assert.is(values.get(`sluice_streams_total|way=${way}|reason=${reason}`), count);
    assert.is(values.get(`sluice_stream_bytes_total|way=${way}|reason=${reason}`), bytes);
  }
  for (const kind of ["sends", "pipes", "mappings", "rings"] as const)
    assert.is(values.get(`sluice_engine_memory_bytes|kind=${kind}`), now?.memory[kind]);
  assert.ok((values.get("sluice_engine_descriptors") ?? 0) > 0);
});
