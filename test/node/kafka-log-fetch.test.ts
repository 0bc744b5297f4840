/** What examples/kafka-log answers to raw requests: fetches to the byte, long polls, order. */
import { setTimeout as sleep } from "node:timers/promises";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { KiB, MiB } from "../contract/support/files.ts";
import { randomBytes, sha256 } from "../support/data.ts";
import { tempFolder } from "../support/temp.ts";
import { segmentsOf, startBroker } from "./support/kafka-broker.ts";
import {
  batchesIn,
  batchOf,
  fetchBody,
  type FetchLimits,
  frame,
  KafkaClient,
  produceBody,
  readFetched,
} from "./support/kafka-client.ts";

const test = suite("kafka-log-fetch");

const codes = { offsetOutOfRange: 1, unknownTopic: 3 } as const;

const text = (word: string): Buffer => Buffer.from(word);
const onePartition = { options: ["--partitions", "1"] } as const;

test("a big fetch is moved by sendfile, a small one buffered; each is whole and stops where it was asked to", async () => {
  await using broker = await startBroker(tempFolder(), onePartition);
  using client = await KafkaClient.connect(broker.port);
  assert.is(await client.createTopic("topic"), 0);
  const values = Array.from({ length: 8 }, (_, seed) => randomBytes(500_000, seed));
  const batches = values.map((value) => batchOf([value]));
  for (const [index, batch] of batches.entries())
    assert.equal(await client.produce("topic", batch, { acks: 1 }), { error: 0, baseOffset: index });
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
  // Only the first batch of an answer may be larger than was asked for.
  for (const topic of ["a", "b", "c"]) {
    await client.createTopic(topic);
    await client.produce(topic, batchOf([randomBytes(10 * KiB)]), { acks: 1 });
  }
  const wanted = ["a", "b", "c"].map((topic) => ({ topic, offset: 0 }));
  const lengths = async (maxBytes: number) =>
    (await client.fetch(wanted, { maxBytes })).map(({ records }) => Math.floor(records.length / KiB));
  assert.equal(await lengths(MiB), [10, 10, 10]);
  assert.equal(await lengths(25 * KiB), [10, 10, 0]);
  assert.equal(await lengths(1), [10, 0, 0]);
  // Whether the card could spare the last copy of sendfile is not observed, so it isn't claimed.
  assert.equal(await broker.stop(), {
    sendfile: { bytes: (8 + 3 + 3 + 2 + 1) * length, copied: "unknown" },
    buffered: { bytes: 6 * batchOf([randomBytes(10 * KiB)]).length, copied: "yes" },
  });
});

test("every offset is found, in every segment, also by an index made anew", async () => {
  const folder = tempFolder();
  const options = ["--partitions", "1", "--segment-bytes", "15000"];
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
      client.produce("topic", batchOf(Array<Buffer>(count).fill(Buffer.alloc(100, index)), startOf(index)), {
        acks: 1,
      }),
    );
    for (const { error } of await Promise.all(produced)) assert.is(error, 0);
    await checkAll(client);
  }
  assert.ok(segmentsOf(folder, "topic").length > 3);
  await using broker = await startBroker(folder, { options });
  using client = await KafkaClient.connect(broker.port);
  await checkAll(client);
  assert.equal([await client.listOffset("topic", -2), await client.listOffset("topic", -1)], [0, end]);
  for (let index = 0, offset = 0; index < counts.length; offset += counts[index++] ?? 0) {
    if (index % 20 !== 19) continue;
    assert.is(await client.listOffset("topic", startOf(index)), offset, "the first record of its batch");
    const within = Math.min(2, (counts[index] ?? 1) - 1);
    assert.is(await client.listOffset("topic", startOf(index) + within), offset, "one within it");
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

/** For the tests that leave their broker as it was. */
const shared = await startBroker(tempFolder(), onePartition);
test.after(() => shared.kill());

test("a fetch waits for as much as it asked for, and costs nothing meanwhile", async () => {
  using waiting = await KafkaClient.connect(shared.port);
  using other = await KafkaClient.connect(shared.port);
  await other.createTopic("topic");
  const wanted = [{ topic: "topic", offset: 0 }];
  let answered = false;
  const fetching = waiting.fetch(wanted, { maxWaitMs: 30_000, minBytes: 1000 }).finally(() => (answered = true));
  const cpuBefore = shared.cpuSeconds();
  await sleep(300);
  await other.produce("topic", batchOf([Buffer.alloc(600)]));
  await sleep(50);
  assert.is(answered, false, "600 bytes are not enough");
  assert.ok(shared.cpuSeconds() - cpuBefore < 0.15, "nobody waits busily");
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
  using client = await KafkaClient.connect(shared.port);
  await client.createTopic("pipelined");
  const ask = (offset: number, limits?: FetchLimits) => fetchBody([{ topic: "pipelined", offset }], limits);
  await client.produce("pipelined", batchOf([randomBytes(300_000)]));
  const order: string[] = [];
  const note = (name: string, request: Promise<Buffer>) => request.then((answer) => (order.push(name), answer));
  // The client checks that each answer is that to its own request.
  const slow = note("slow", client.request(1, 4, ask(1, { maxWaitMs: 200, minBytes: 1e6 })));
  const fetches = Array.from({ length: 20 }, (_, index) => note(`fetch ${index}`, client.request(1, 4, ask(0))));
  const produced = note("produce", client.request(0, 3, produceBody("pipelined", 0, batchOf([text("x")]), -1)));
  const last = note("versions", client.request(18, 0, Buffer.alloc(0)));
  await Promise.all([slow, ...fetches, produced, last]);
  assert.equal(order, ["slow", ...fetches.map((_, index) => `fetch ${index}`), "produce", "versions"]);
  for (const answer of await Promise.all(fetches))
    assert.is((readFetched(answer)[0]?.records.length ?? 0) > 300_000, true);
});

test.run();
