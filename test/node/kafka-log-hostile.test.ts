/** What examples/kafka-log bears: requests that are wrong, clients of ill will, and too many of them. */
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import process from "node:process";
import { setTimeout as sleep } from "node:timers/promises";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { KiB, MiB } from "../contract/support/files.ts";
import { collect, randomBytes } from "../support/data.ts";
import { tempFolder } from "../support/temp.ts";
import { settles, waitFor } from "../support/wait.ts";
import { startBroker } from "./support/kafka-broker.ts";
import {
  array,
  batchOf,
  fetchBody,
  frame,
  int16,
  int32,
  int64,
  int8,
  KafkaClient,
  produceBody,
  string,
} from "./support/kafka-client.ts";

const test = suite("kafka-log-hostile");

const codes = {
  offsetOutOfRange: 1,
  corrupt: 2,
  unknownTopic: 3,
  tooLarge: 10,
  invalidTopic: 17,
  invalidAcks: 21,
  invalidRecord: 87,
} as const;

const text = (word: string): Buffer => Buffer.from(word);

const shared = await startBroker(tempFolder(), { options: ["--partitions", "1"] });
test.after(() => shared.kill());

test("what can't be appended is answered with Kafka's error, and changes nothing", async () => {
  using client = await KafkaClient.connect(shared.port);
  await client.createTopic("refused");
  const changed = (at: number, value: number) => {
    const batch = Buffer.from(batchOf([text("value")]));
    batch[at] = value;
    return batch;
  };
  const errorOf = async (batch: Buffer, options?: { acks?: number; partition?: number }, topic = "refused") =>
    (await client.produce(topic, batch, options)).error;
  const good = batchOf([text("value")]);
  assert.is(await errorOf(changed(good.length - 1, 7)), codes.corrupt, "a sum that is wrong");
  assert.is(await errorOf(changed(11, 50)), codes.corrupt, "a length that is wrong");
  assert.is(await errorOf(Buffer.concat([good, good])), codes.corrupt, "two batches");
  assert.is(await errorOf(changed(16, 1)), codes.invalidRecord, "an old format");
  assert.is(await errorOf(changed(60, 9)), codes.invalidRecord, "more records than offsets");
  assert.is(await errorOf(good.subarray(0, 60)), codes.invalidRecord, "less than a head");
  assert.is(await errorOf(Buffer.alloc(0)), codes.invalidRecord);
  assert.is(await errorOf(Buffer.alloc(16 * MiB + 1)), codes.tooLarge);
  assert.is(await errorOf(good, { acks: 2 }), codes.invalidAcks);
  assert.is(await errorOf(good, { partition: 1 }), codes.unknownTopic);
  assert.is(await errorOf(good, { partition: -1 }), codes.unknownTopic);
  assert.is(await errorOf(good, {}, "other"), codes.unknownTopic);
  for (const name of ["", ".", "..", "a/b", "../up", "a".repeat(250), "nul\0"])
    assert.is(await client.createTopic(name), codes.invalidTopic, JSON.stringify(name));
  assert.is(await client.listOffset("refused", -1), 0);
  assert.equal(await client.produce("refused", good), { error: 0, baseOffset: 0 });
});

/** Requests that no client of good will sends, and whether the connection outlives them. */
const hostile: Readonly<Record<string, Buffer>> = {
  "an absurd length": Buffer.concat([int32(0x7fffffff), Buffer.alloc(100)]),
  "a negative length": int32(-1),
  "no head": int32(0),
  "half a head": Buffer.concat([int32(3), Buffer.alloc(3)]),
  "half a request": frame(1, 4, 1, fetchBody([{ topic: "refused", offset: 0 }])).subarray(0, 30),
  "another protocol": text("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"),
  "an unknown api": frame(999, 0, 1, Buffer.alloc(0)),
  "a negative api": frame(-1, 0, 1, Buffer.alloc(0)),
  "a version that is too new": frame(1, 99, 1, Buffer.alloc(0)),
  "a version that is too old": frame(1, 0, 1, Buffer.alloc(0)),
  "an old produce": frame(0, 2, 1, Buffer.alloc(40)),
  "an array of 2^31 - 1 items": frame(3, 4, 1, int32(0x7fffffff)),
  "a list of 10,001 topics": frame(
    3,
    4,
    1,
    Buffer.concat([array(...Array<Buffer>(10_001).fill(string("x"))), int8(1)]),
  ),
  "lists of 10,001 items in all": frame(
    1,
    4,
    1,
    Buffer.concat([
      int32(-1),
      int32(0),
      int32(0),
      int32(0),
      int8(0),
      array(Buffer.concat([string("topic"), int32(10_000)])),
    ]),
  ),
  "an array of -2 items": frame(3, 4, 1, int32(-2)),
  "a string of -2 bytes": frame(3, 4, 1, Buffer.concat([int32(1), int16(-2)])),
  "null for a string": frame(3, 4, 1, Buffer.concat([int32(1), int16(-1)])),
  "a batch longer than its request": frame(
    0,
    3,
    1,
    Buffer.concat([int16(-1), int16(-1), int32(0), int32(1), string("refused"), int32(1), int32(0), int32(0x7fffffff)]),
  ),
  "a bad batch without acknowledgement": frame(0, 3, 1, produceBody("refused", 0, Buffer.alloc(70, 1), 0)),
};

test("hostile clients lose their connections, others nothing", async () => {
  using client = await KafkaClient.connect(shared.port);
  await client.createTopic("topic");
  for (const [what, bytes] of Object.entries(hostile)) {
    const socket = connect({ port: shared.port, host: "127.0.0.1", allowHalfOpen: true });
    socket.end(bytes);
    const answer = await collect(socket).catch((error: NodeJS.ErrnoException) => {
      assert.is(error.code, "ECONNRESET", what);
      return Buffer.alloc(0);
    });
    assert.is(answer.length, 0, what);
    assert.is(await client.createTopic("topic"), 0, what);
  }
  // Values that are absurd, but whose form is good, get an answer.
  const absurd = [-1, 2n ** 63n - 1n, -(2n ** 63n)].map((offset) =>
    client.fetch([{ topic: "topic", offset: offset as number, maxBytes: -1 }], {
      maxBytes: -1,
      minBytes: -1,
      maxWaitMs: -1,
    }),
  );
  for (const [fetched] of await Promise.all(absurd)) assert.is(fetched?.error, codes.offsetOutOfRange);
  const versions = await client.request(18, 99, Buffer.alloc(0));
  assert.is(versions.readInt16BE(0), 35, "a client that is too new hears of it");
  const noMember = Buffer.concat([string("group"), int32(1), string("nobody")]);
  assert.is((await client.request(12, 0, noMember)).readInt16BE(0), 25);
  const commit = array(
    Buffer.concat([string("topic"), array(Buffer.concat([int32(0), int64(1), string("x".repeat(5000))]))]),
  );
  const committed = await client.request(
    8,
    2,
    Buffer.concat([string("group"), int32(-1), string(""), int64(-1), commit]),
  );
  assert.is(committed.readInt16BE(committed.length - 2), 12);
  assert.is(shared.process.exitCode, null);
});

test("nonsense: random bytes, and good requests with random bytes changed, do no harm", async () => {
  const seed = Number(process.env["SEED"] ?? Date.now() % 2 ** 31);
  console.log(`SEED=${seed}`);
  const random = new DataView(randomBytes(64 * KiB, seed).buffer);
  let at = 0;
  const below = (limit: number) => random.getUint32(4 * (at++ % (16 * KiB)), true) % limit;
  using client = await KafkaClient.connect(shared.port);
  await client.createTopic("fuzzed");
  const group = [string("group"), int32(1), string("member")] as const;
  const good: readonly Buffer[] = [
    frame(0, 3, 1, produceBody("fuzzed", 0, batchOf([text("value")]), -1)),
    frame(1, 4, 1, fetchBody([{ topic: "fuzzed", offset: 0 }])),
    frame(2, 1, 1, Buffer.concat([int32(-1), array(Buffer.concat([string("fuzzed"), array(Buffer.alloc(12))]))])),
    frame(3, 4, 1, Buffer.concat([array(string("fuzzed")), int8(0)])),
    frame(8, 2, 1, Buffer.concat([...group, int64(-1), array()])),
    frame(11, 0, 1, Buffer.concat([string("group"), int32(10), string(""), string("consumer"), array()])),
    frame(14, 0, 1, Buffer.concat([...group, array(Buffer.concat([string("member"), int32(1), int8(1)]))])),
    frame(18, 3, 1, Buffer.alloc(3)),
  ];
  const visit = async (index: number) => {
    const bytes = Buffer.from(good[index % (good.length + 1)] ?? randomBytes(1 + below(2000), seed + index));
    // Its length stays, most of the time: behind it is more to get wrong.
    for (let count = below(4); count >= 0; count--)
      bytes[(below(10) > 0 ? 4 : 0) + below(bytes.length - 4)] = below(256);
    const socket = connect({ port: shared.port, host: "127.0.0.1" });
    socket
      .on("error", () => {})
      .resume()
      .end(bytes);
    await once(socket, "close");
  };
  for (let round = 0; round < 30; round++)
    await Promise.all(Array.from({ length: 27 }, (_, index) => visit(27 * round + index)));
  const { error, baseOffset } = await client.produce("fuzzed", batchOf([text("after all")]));
  assert.is(error, 0);
  const last = (await client.fetchAll("fuzzed")).at(-1);
  assert.is(last?.baseOffset, baseOffset);
  // Whatever it complains of was foreseen.
  for (const line of shared.complaints.trim().split("\n")) assert.match(line, /the connection is closed$/);
});

test("no descriptor is left when all clients are gone, whatever they were about", async () => {
  using client = await KafkaClient.connect(shared.port);
  await client.createTopic("census");
  const batch = batchOf([randomBytes(4 * MiB)]);
  for (let index = 0; index < 4; index++) await client.produce("census", batch, { acks: 1 });
  const visit = async () => {
    const clients = await Promise.all(Array.from({ length: 12 }, () => KafkaClient.connect(shared.port)));
    const ways = [
      // In the midst of an answer; in a long poll; within a request; idle.
      (each: KafkaClient) => each.socket.pause().write(frame(1, 4, 1, fetchBody([{ topic: "census", offset: 0 }]))),
      (each: KafkaClient) =>
        each.socket.write(frame(1, 4, 1, fetchBody([{ topic: "census", offset: 4 }], { maxWaitMs: 6e5, minBytes: 1 }))),
      (each: KafkaClient) => each.socket.write(frame(1, 4, 1, Buffer.alloc(500)).subarray(0, 100)),
      () => true,
    ];
    for (const [index, each] of clients.entries()) ways[index % ways.length]?.(each);
    await sleep(50);
    for (const [index, { socket }] of clients.entries())
      if (index % 2) socket.destroy();
      else socket.resetAndDestroy();
  };
  await visit();
  let before = shared.openFds();
  await settles(() => before === (before = shared.openFds()));
  for (let round = 0; round < 4; round++) await visit();
  assert.ok(await settles(() => shared.openFds() <= before), `${shared.openFds()} open, ${before} before`);
  assert.is((await client.fetchAll("census")).length, 4);
});

test("a thousand connections with half-sent huge requests: memory and descriptors stay bounded, others are served", async () => {
  await using broker = await startBroker(tempFolder(), {
    options: ["--partitions", "1", "--connections", "1001", "--memory-mib", "64"],
  });
  using client = await KafkaClient.connect(broker.port);
  await client.createTopic("topic");
  const opened = async () => {
    const socket = connect({ port: broker.port, host: "127.0.0.1" }).on("error", () => {});
    await once(socket, "connect");
    return socket.resume();
  };
  const before = broker.openFds();
  const sockets: Socket[] = [];
  for (let round = 0; round < 20; round++) sockets.push(...(await Promise.all(Array.from({ length: 50 }, opened))));
  await waitFor("the broker to have them all", () => broker.openFds() >= before + 1000);
  const refused = await Promise.all(Array.from({ length: 10 }, opened));
  await waitFor("the end of those that are too many", () => refused.every(({ closed }) => closed));
  assert.is(sockets.filter(({ closed }) => closed).length, 0);

  const head = int32(32 * MiB);
  const body = Buffer.alloc(600 * KiB);
  const batch = batchOf([body]);
  for (const socket of sockets) socket.write(head);
  for (const socket of sockets) socket.write(body);
  // While that comes in, and with all that has stayed of it:
  const honest = async () => {
    for (let index = 0; index < 5; index++) assert.is((await client.produce("topic", batch, { acks: 1 })).error, 0);
  };
  await honest();
  const left = () => sockets.filter(({ closed }) => !closed).length;
  const most = Math.ceil((64 * MiB) / body.length);
  await waitFor("those that are too much to be closed", () => left() <= most);
  await honest();
  assert.ok(left() > most / 2, `${left()} are left`);
  assert.match(broker.complaints, /take too much memory/);
  assert.ok(broker.peakMib() < 300, `${broker.peakMib()} MiB, of 600 that were sent`);
  for (const socket of sockets) socket.destroy();
  assert.ok(await settles(() => broker.openFds() <= before), `${broker.openFds()} open, ${before} before`);
  assert.is((await client.fetchAll("topic")).length, 10);
});

test("silent and stuck clients are let go, slow readers and long polls aren't", async () => {
  await using broker = await startBroker(tempFolder(), { options: ["--partitions", "1", "--idle-seconds", "1"] });
  const batch = batchOf([randomBytes(4 * MiB)]);
  {
    using client = await KafkaClient.connect(broker.port);
    await client.createTopic("topic");
    for (let index = 0; index < 4; index++) assert.is((await client.produce("topic", batch, { acks: 1 })).error, 0);
  }
  await sleep(50);
  const before = broker.openFds();
  const everything = frame(1, 4, 1, fetchBody([{ topic: "topic", offset: 0 }]));
  const silent = async () => {
    using client = await KafkaClient.connect(broker.port);
    await once(client.socket, "close");
  };
  const slow = async () => {
    const socket = connect({ port: broker.port, host: "127.0.0.1" });
    socket.write(everything);
    let bytes = 0;
    const started = performance.now();
    for await (const chunk of socket as AsyncIterable<Buffer>) {
      bytes += chunk.length;
      if (bytes >= 4 * batch.length) break;
      // Longer than what a silent one is given.
      if (performance.now() - started < 1800) await sleep(40);
    }
    assert.ok(performance.now() - started >= 1800);
  };
  const polling = async () => {
    using client = await KafkaClient.connect(broker.port);
    const [fetched] = await client.fetch([{ topic: "topic", offset: 4 }], { maxWaitMs: 1800, minBytes: 1 });
    assert.equal(fetched, { error: 0, highWatermark: 4, records: Buffer.alloc(0) });
  };
  await Promise.all([silent(), slow(), polling()]);
  using stuck = await KafkaClient.connect(broker.port);
  stuck.socket.pause().write(everything);
  await waitFor("the broker to have it", () => broker.openFds() > before);
  assert.ok(await settles(() => broker.openFds() <= before), `${broker.openFds()} open, ${before} before`);
});

test.run();
