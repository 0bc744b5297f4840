/** What examples/kafka-log answers to raw requests: fetches to the byte, long polls, order, hostile clients. */
import { connect } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { KiB, MiB } from "../contract/support/files.ts";
import { collect, randomBytes, sha256 } from "../support/data.ts";
import { tempFolder } from "../support/temp.ts";
import { settles } from "../support/wait.ts";
import { segmentsOf, startBroker } from "./support/kafka-broker.ts";
import {
  array,
  batchesIn,
  batchOf,
  fetchBody,
  frame,
  int16,
  int32,
  int64,
  KafkaClient,
  produceBody,
  readFetched,
  string,
} from "./support/kafka-client.ts";

const test = suite("kafka-log-fetch");

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
const onePartition = { options: ["--partitions", "1"] } as const;

test("a big fetch is moved by sendfile, whole, and stops where it was asked to", async () => {
  await using broker = await startBroker(tempFolder(), onePartition);
  using client = await KafkaClient.connect(broker.port);
  assert.is(await client.createTopic("topic"), 0);
  const values = Array.from({ length: 8 }, (_, seed) => randomBytes(2 * MiB, seed));
  const batches = values.map((value) => batchOf([value]));
  for (const [index, batch] of batches.entries())
    assert.equal(await client.produce("topic", batch), { error: 0, baseOffset: index });
  const [all] = await client.fetch([{ topic: "topic", offset: 0 }]);
  const seen = batchesIn(all?.records ?? Buffer.alloc(0));
  // But for the two fields that are the broker's, they are what was sent.
  const sum = (batch: Buffer) => sha256(batch.subarray(16));
  assert.equal(
    seen.map(({ bytes }) => sum(bytes)),
    batches.map(sum),
  );
  assert.equal(
    seen.map(({ baseOffset }) => baseOffset),
    [0, 1, 2, 3, 4, 5, 6, 7],
  );
  const length = batches[0]?.length ?? 0;
  const bytesOf = async (offset: number, partition: number, maxBytes: number) =>
    (await client.fetch([{ topic: "topic", offset, maxBytes: partition }], { maxBytes }))[0]?.records.length;
  assert.is(await bytesOf(0, 3 * length, 64 * MiB), 3 * length);
  assert.is(await bytesOf(2, 3 * length + 5, 64 * MiB), 3 * length);
  assert.is(await bytesOf(5, 64 * MiB, 2 * length), 2 * length);
  assert.is(await bytesOf(7, 1, 64 * MiB), length, "at least one batch, lest the reader be stuck");
  assert.is(await bytesOf(8, 64 * MiB, 64 * MiB), 0);
  const sent = await broker.stop();
  assert.equal(sent, { sendfile: (8 + 3 + 3 + 2 + 1) * length });
});

test("only the first batch of an answer may be larger than was asked for", async () => {
  await using broker = await startBroker(tempFolder(), onePartition);
  using client = await KafkaClient.connect(broker.port);
  for (const topic of ["a", "b", "c"]) {
    await client.createTopic(topic);
    await client.produce(topic, batchOf([randomBytes(10 * KiB)]));
  }
  const wanted = ["a", "b", "c"].map((topic) => ({ topic, offset: 0 }));
  const lengths = async (maxBytes: number) =>
    (await client.fetch(wanted, { maxBytes })).map(({ records }) => Math.floor(records.length / KiB));
  assert.equal(await lengths(MiB), [10, 10, 10]);
  assert.equal(await lengths(25 * KiB), [10, 10, 0]);
  assert.equal(await lengths(1), [10, 0, 0]);
});

test("every offset is found, in every segment, also by an index made anew", async () => {
  const folder = tempFolder();
  const options = ["--partitions", "1", "--segment-bytes", "9000"];
  const counts = Array.from({ length: 120 }, (_, index) => 1 + (index % 7));
  const end = counts.reduce((sum, count) => sum + count, 0);
  const checkAll = async (client: KafkaClient) => {
    const offsets = Array.from({ length: end }, (_, offset) => offset);
    const answers = await Promise.all(
      offsets.map((offset) => client.fetch([{ topic: "topic", offset, maxBytes: 500 }])),
    );
    for (const [offset, [fetched]] of answers.entries()) {
      const [first] = batchesIn(fetched?.records ?? Buffer.alloc(0));
      assert.ok(first !== undefined && first.baseOffset <= offset && offset < first.baseOffset + first.records);
    }
    const all = await client.fetchAll("topic");
    assert.is(all.length, counts.length);
    assert.is(
      all.reduce((next, { baseOffset, records }) => (baseOffset === next ? next + records : NaN), 0),
      end,
    );
  };
  const startOf = (count: number) => 1_700_000_000_000 + 1000 * count;
  {
    await using broker = await startBroker(folder, { options });
    using client = await KafkaClient.connect(broker.port);
    await client.createTopic("topic");
    const produced = counts.map((count, index) =>
      client.produce("topic", batchOf(Array<Buffer>(count).fill(Buffer.alloc(100, index)), startOf(index))),
    );
    for (const { error } of await Promise.all(produced)) assert.is(error, 0);
    await checkAll(client);
  }
  assert.ok(segmentsOf(folder, "topic").length > 5);
  await using broker = await startBroker(folder, { options });
  using client = await KafkaClient.connect(broker.port);
  await checkAll(client);
  assert.equal([await client.listOffset("topic", -2), await client.listOffset("topic", -1)], [0, end]);
  for (let index = 0, offset = 0; index < counts.length; offset += counts[index++] ?? 0) {
    if (index % 20 !== 19) continue;
    assert.is(await client.listOffset("topic", startOf(index)), offset, "the first record of its batch");
    const within = Math.min(2, (counts[index] ?? 1) - 1);
    assert.is(await client.listOffset("topic", startOf(index) + within), offset + within, "one within it");
    assert.is(await client.listOffset("topic", startOf(index) - 1), offset, "one before it");
  }
  assert.is(await client.listOffset("topic", startOf(1000)), -1);
});

test("fetches during appends bring whole batches, in order, and each once", async () => {
  await using broker = await startBroker(tempFolder(), {
    options: ["--partitions", "1", "--segment-bytes", "3000000"],
  });
  using setup = await KafkaClient.connect(broker.port);
  await setup.createTopic("topic");
  const [rounds, producers] = [60, 3];
  const value = randomBytes(40_000);
  const produce = async (_: unknown, producer: number) => {
    using client = await KafkaClient.connect(broker.port);
    for (let round = 0; round < rounds; round += 3) {
      const batches = [1, 2, 3].map((count) => batchOf(Array<Uint8Array>(count).fill(value.subarray(round))));
      // Some are flushed, some are not, some want no answer.
      client.socket.write(frame(0, 3, 0, produceBody("topic", 0, batches[0] ?? Buffer.alloc(0), 0)));
      const acked = batches
        .slice(1)
        .map((batch, index) => client.produce("topic", batch, { acks: index === 0 ? 1 : -1 }));
      for (const { error } of await Promise.all(acked)) assert.is(error, 0, `producer ${producer}`);
    }
  };
  const end = (rounds / 3) * producers * 6;
  const consume = async () => {
    using client = await KafkaClient.connect(broker.port);
    let next = 0;
    while (next < end) {
      const [fetched] = await client.fetch([{ topic: "topic", offset: next }], { maxWaitMs: 5000, minBytes: 1 });
      for (const { baseOffset, records } of batchesIn(fetched?.records ?? Buffer.alloc(0))) {
        assert.is(baseOffset, next);
        next += records;
      }
      assert.ok((fetched?.highWatermark ?? 0) >= next);
    }
    return next;
  };
  const producing = Promise.all(Array.from({ length: producers }, produce));
  assert.equal(await Promise.all([consume(), consume()]), [end, end]);
  await producing;
});

test("a fetch waits for as much as it asked for, and costs nothing meanwhile", async () => {
  await using broker = await startBroker(tempFolder(), onePartition);
  using waiting = await KafkaClient.connect(broker.port);
  using other = await KafkaClient.connect(broker.port);
  await other.createTopic("topic");
  const wanted = [{ topic: "topic", offset: 0 }];
  let answered = false;
  const fetching = waiting.fetch(wanted, { maxWaitMs: 30_000, minBytes: 1000 }).finally(() => (answered = true));
  const cpuBefore = broker.cpuSeconds();
  await sleep(300);
  await other.produce("topic", batchOf([Buffer.alloc(600)]));
  await sleep(50);
  assert.is(answered, false, "600 bytes are not enough");
  assert.ok(broker.cpuSeconds() - cpuBefore < 0.15, "nobody waits busily");
  await other.produce("topic", batchOf([Buffer.alloc(600)]));
  assert.is(batchesIn((await fetching)[0]?.records ?? Buffer.alloc(0)).length, 2);
  const started = Date.now();
  const [empty] = await waiting.fetch([{ topic: "topic", offset: 2 }], { maxWaitMs: 100, minBytes: 1 });
  assert.is(empty?.records.length, 0);
  assert.ok(Date.now() - started >= 95);
  // What waiting can't change is told at once: an error, and more than may be sent.
  const long = { maxWaitMs: 60_000, minBytes: MiB };
  assert.is((await waiting.fetch([{ topic: "topic", offset: 3 }], long))[0]?.error, codes.offsetOutOfRange);
  assert.is((await waiting.fetch([{ topic: "nothing", offset: 0 }], long))[0]?.error, codes.unknownTopic);
  assert.ok(((await waiting.fetch(wanted, { ...long, maxBytes: 700 }))[0]?.records.length ?? 0) > 600);
});

test("pipelined requests are answered in their order", async () => {
  await using broker = await startBroker(tempFolder(), onePartition);
  using client = await KafkaClient.connect(broker.port);
  await client.createTopic("topic");
  await client.produce("topic", batchOf([randomBytes(300_000)]));
  const order: string[] = [];
  const note = (name: string, request: Promise<Buffer>) => request.then((answer) => (order.push(name), answer));
  // The client checks that each answer is that to its own request.
  const slow = note(
    "slow",
    client.request(1, 4, fetchBody([{ topic: "topic", offset: 1 }], { maxWaitMs: 200, minBytes: 1e6 })),
  );
  const fetches = Array.from({ length: 20 }, (_, index) =>
    note(`fetch ${index}`, client.request(1, 4, fetchBody([{ topic: "topic", offset: 0 }]))),
  );
  const produced = note("produce", client.request(0, 3, produceBody("topic", 0, batchOf([text("x")]), -1)));
  const last = note("versions", client.request(18, 0, Buffer.alloc(0)));
  await Promise.all([slow, ...fetches, produced, last]);
  assert.equal(order, ["slow", ...fetches.map((_, index) => `fetch ${index}`), "produce", "versions"]);
  for (const answer of await Promise.all(fetches))
    assert.is((readFetched(answer)[0]?.records.length ?? 0) > 300_000, true);
});

test("what can't be appended is answered with Kafka's error, and changes nothing", async () => {
  await using broker = await startBroker(tempFolder(), onePartition);
  using client = await KafkaClient.connect(broker.port);
  await client.createTopic("topic");
  const changed = (at: number, value: number) => {
    const batch = Buffer.from(batchOf([text("value")]));
    batch[at] = value;
    return batch;
  };
  const errorOf = async (batch: Buffer, options?: { acks?: number; partition?: number }, topic = "topic") =>
    (await client.produce(topic, batch, options)).error;
  const good = batchOf([text("value")]);
  assert.is(await errorOf(changed(good.length - 1, 7)), codes.corrupt, "a sum that is wrong");
  assert.is(await errorOf(changed(11, 50)), codes.corrupt, "a length that is wrong");
  assert.is(await errorOf(Buffer.concat([good, good])), codes.corrupt, "two batches");
  assert.is(await errorOf(changed(16, 1)), codes.invalidRecord, "an old format");
  assert.is(await errorOf(changed(60, 9)), codes.invalidRecord, "more records than offsets");
  assert.is(await errorOf(good.subarray(0, 60)), codes.invalidRecord, "less than a head");
  assert.is(await errorOf(Buffer.alloc(0)), codes.invalidRecord);
  assert.is(await errorOf(batchOf([Buffer.alloc(16 * MiB)])), codes.tooLarge);
  assert.is(await errorOf(good, { acks: 2 }), codes.invalidAcks);
  assert.is(await errorOf(good, { partition: 1 }), codes.unknownTopic);
  assert.is(await errorOf(good, { partition: -1 }), codes.unknownTopic);
  assert.is(await errorOf(good, {}, "other"), codes.unknownTopic);
  for (const name of ["", ".", "..", "a/b", "../up", "a".repeat(250), "nul\0"])
    assert.is(await client.createTopic(name), codes.invalidTopic, JSON.stringify(name));
  assert.is(await client.listOffset("topic", -1), 0);
  assert.equal(await client.produce("topic", good), { error: 0, baseOffset: 0 });
});

/** Requests that no client of good will sends, and whether the connection outlives them. */
const hostile: Readonly<Record<string, Buffer>> = {
  "an absurd length": Buffer.concat([int32(0x7fffffff), Buffer.alloc(100)]),
  "a negative length": int32(-1),
  "no head": int32(0),
  "half a head": Buffer.concat([int32(3), Buffer.alloc(3)]),
  "half a request": frame(1, 4, 1, fetchBody([{ topic: "topic", offset: 0 }])).subarray(0, 30),
  "another protocol": text("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"),
  "an unknown api": frame(999, 0, 1, Buffer.alloc(0)),
  "a negative api": frame(-1, 0, 1, Buffer.alloc(0)),
  "a version that is too new": frame(1, 99, 1, Buffer.alloc(0)),
  "a version that is too old": frame(1, 0, 1, Buffer.alloc(0)),
  "an old produce": frame(0, 2, 1, Buffer.alloc(40)),
  "an array of 2^31 - 1 items": frame(3, 4, 1, int32(0x7fffffff)),
  "an array of -2 items": frame(3, 4, 1, int32(-2)),
  "a string of -2 bytes": frame(3, 4, 1, Buffer.concat([int32(1), int16(-2)])),
  "null for a string": frame(3, 4, 1, Buffer.concat([int32(1), int16(-1)])),
  "a batch longer than its request": frame(
    0,
    3,
    1,
    Buffer.concat([int16(-1), int16(-1), int32(0), int32(1), string("topic"), int32(1), int32(0), int32(0x7fffffff)]),
  ),
  "a bad batch without acknowledgement": frame(0, 3, 1, produceBody("topic", 0, Buffer.alloc(70, 1), 0)),
};

test("hostile clients lose their connections, others nothing", async () => {
  await using broker = await startBroker(tempFolder(), onePartition);
  using client = await KafkaClient.connect(broker.port);
  await client.createTopic("topic");
  for (const [what, bytes] of Object.entries(hostile)) {
    const socket = connect({ port: broker.port, host: "127.0.0.1", allowHalfOpen: true });
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
  assert.is(broker.process.exitCode, null);
});

test("no descriptor is left when all clients are gone, whatever they were about", async () => {
  await using broker = await startBroker(tempFolder(), onePartition);
  using client = await KafkaClient.connect(broker.port);
  await client.createTopic("topic");
  for (let index = 0; index < 4; index++) await client.produce("topic", batchOf([randomBytes(4 * MiB)]));
  const visit = async () => {
    const clients = await Promise.all(Array.from({ length: 12 }, () => KafkaClient.connect(broker.port)));
    const ways = [
      // In the midst of an answer; in a long poll; within a request; idle.
      (each: KafkaClient) => each.socket.pause().write(frame(1, 4, 1, fetchBody([{ topic: "topic", offset: 0 }]))),
      (each: KafkaClient) =>
        each.socket.write(frame(1, 4, 1, fetchBody([{ topic: "topic", offset: 4 }], { maxWaitMs: 6e5, minBytes: 1 }))),
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
  let before = broker.openFds();
  await settles(() => before === (before = broker.openFds()), 1000);
  for (let round = 0; round < 4; round++) await visit();
  assert.ok(await settles(() => broker.openFds() <= before, 5000), `${broker.openFds()} open, ${before} before`);
  assert.is((await client.fetchAll("topic")).length, 4);
});

test.run();
