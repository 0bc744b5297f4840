/** What examples/kafka-log keeps: kill -9 under load, torn ends, damaged segments, disks that refuse. */
import * as fs from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { setTimeout as sleep } from "node:timers/promises";
import kafkajs from "kafkajs";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { randomBytes } from "../support/data.ts";
import { runChild } from "../support/child.ts";
import { tempFolder } from "../support/temp.ts";
import { waitFor } from "../support/wait.ts";
import { type Broker, segmentsOf, startBroker } from "./support/kafka-broker.ts";
import { batchOf, KafkaClient, produceBody } from "./support/kafka-client.ts";

const test = suite("kafka-log-crash");
const storageError = 56;

/** The records of a batch, by which it is known again. */
const recordsOf = (bytes: Buffer): string => bytes.subarray(61).toString("latin1");

/** What a producer was told is on the disk: the records, or a part of them that no other batch has. */
interface Acknowledged {
  readonly partition: number;
  readonly baseOffset: number;
  readonly content: string;
}

type Load = (broker: Broker, note: (one: Acknowledged) => void) => Promise<void>;

let made = 0;

/** Produces to two partitions until the broker is gone, several batches at a time, so that groups form. */
const rawLoad: Load = async ({ port }, note) => {
  const produce = async (client: KafkaClient, partition: number) => {
    for (;;) {
      const value = () => Buffer.from(`value ${made++} `.repeat(1 + (made % 90)));
      const batch = batchOf(Array.from({ length: 1 + (made % 3) }, value));
      const { error, baseOffset } = await client.produce("topic", batch, { partition });
      assert.is(error, 0);
      note({ partition, baseOffset, content: recordsOf(batch) });
    }
  };
  const untilGone = async (partition: number) => {
    using client = await KafkaClient.connect(port);
    const ends = await Promise.allSettled(Array.from({ length: 4 }, () => produce(client, partition)));
    for (const end of ends) assert.match(String(end.status === "rejected" && end.reason), /closed the connection/);
  };
  await Promise.all([0, 1, 0, 1].map(untilGone));
};

/** The same by kafkajs. */
const kafkajsLoad: Load = async ({ address }, note) => {
  const kafka = new kafkajs.Kafka({ brokers: [address], logLevel: kafkajs.logLevel.NOTHING, retry: { retries: 0 } });
  const producer = kafka.producer({ createPartitioner: kafkajs.Partitioners.DefaultPartitioner });
  await producer.connect();
  const produce = async (partition: number) => {
    for (;;) {
      const content = `kafkajs ${made++} `.repeat(1 + (made % 90));
      const answers = await producer.send({ topic: "topic", acks: -1, messages: [{ partition, value: content }] });
      for (const { errorCode, baseOffset } of answers) {
        assert.is(errorCode, 0);
        note({ partition, baseOffset: Number(baseOffset), content });
      }
    }
  };
  const ends = await Promise.allSettled([0, 1, 0, 1].map(produce));
  for (const end of ends) assert.match(String(end.status === "rejected" && end.reason), /^KafkaJS/);
  await producer.disconnect();
};

test("kill -9 again and again, under load: all that was acknowledged by acks=all is there", async () => {
  const seed = Number(process.env["SEED"] ?? Date.now() % 2 ** 31);
  console.log(`SEED=${seed}`);
  const folder = tempFolder();
  const options = ["--partitions", "2", "--segment-bytes", "5000"];
  const acknowledged: Acknowledged[] = [];
  const loads: readonly Load[] = [rawLoad, kafkajsLoad, rawLoad];
  for (let round = 0; round <= loads.length; round++) {
    await using broker = await startBroker(folder, { options });
    using client = await KafkaClient.connect(broker.port);
    await client.createTopic("topic");
    for (const partition of [0, 1]) {
      const batches = new Map<number, string>();
      let next = 0;
      for (const { baseOffset, records, bytes } of await client.fetchAll("topic", 0, partition)) {
        assert.is(baseOffset, next, "no gap and nothing twice");
        next += records;
        batches.set(baseOffset, recordsOf(bytes));
      }
      for (const { content, ...one } of acknowledged)
        if (one.partition === partition) assert.ok(batches.get(one.baseOffset)?.includes(content), `round ${round}`);
    }
    const before = acknowledged.length;
    const load = loads[round]?.(broker, (one) => acknowledged.push(one));
    if (load === undefined) break;
    await waitFor("some to be acknowledged", () => acknowledged.length > before + 30);
    await sleep((randomBytes(1, seed + round)[0] ?? 0) / 2);
    await broker.kill();
    await load;
  }
  assert.ok(segmentsOf(folder, "topic").length > 2);
});

/** Batches of a record each, as they lie in a segment. */
function segmentOf(from: number, to: number): Buffer {
  const batches = Array.from({ length: to - from }, (_, index) => {
    const batch = batchOf([Buffer.alloc(1000, from + index)]);
    batch.writeBigInt64BE(BigInt(from + index));
    return batch;
  });
  return Buffer.concat(batches);
}

/** Writes a partition's segments, by their first offsets. */
function writePartition(folder: string, partition: number, segments: Readonly<Record<number, Buffer>>): string {
  const place = join(folder, `topic-${partition}`);
  fs.mkdirSync(place, { recursive: true });
  for (const [offset, bytes] of Object.entries(segments))
    fs.writeFileSync(join(place, `${offset.padStart(20, "0")}.log`), bytes);
  return place;
}

test("a torn end is cut off, and the log goes on from there", async () => {
  const content = segmentOf(0, 10);
  const size = content.length / 10;
  const flipped = (at: number) => {
    const copy = Buffer.from(content);
    copy[at] = (copy[at] ?? 0) ^ 1;
    return copy;
  };
  // What lies in the file, and how many batches of it are good. A partition each.
  const ends: readonly (readonly [string, Buffer, number])[] = [
    ["half a batch", content.subarray(0, 9.5 * size), 9],
    ["half a head", content.subarray(0, 9 * size + 30), 9],
    ["a bit in the last value", flipped(content.length - 5), 9],
    ["a bit in the last length", flipped(9 * size + 11), 9],
    ["a bit in the last offset", flipped(9 * size + 7), 9],
    ["zeros behind", Buffer.concat([content, Buffer.alloc(5000)]), 10],
    ["noise behind", Buffer.concat([content, randomBytes(5000)]), 10],
    ["an old batch behind", Buffer.concat([content, content.subarray(0, size)]), 10],
    ["a whole batch damaged amid", flipped(5.5 * size), 5],
    ["nothing", Buffer.alloc(0), 0],
    ["a good end", content, 10],
  ];
  const folder = tempFolder();
  for (const [index, [, bytes]] of ends.entries()) writePartition(folder, index, { 0: bytes });
  // One that was begun and never used is taken away, wherever it stands.
  const [unused] = [writePartition(folder, ends.length - 1, { 4: Buffer.alloc(0), 10: Buffer.alloc(0) })];
  await using broker = await startBroker(folder);
  assert.equal(fs.readdirSync(unused), ["00000000000000000000.log"]);
  using client = await KafkaClient.connect(broker.port);
  for (const [partition, [what, , good]] of ends.entries()) {
    const [path = ""] = segmentsOf(folder, "topic", partition);
    assert.is(fs.statSync(path).size, good * size, what);
    assert.is((await client.fetchAll("topic", 0, partition)).length, good, what);
    const produced = await client.produce("topic", batchOf([Buffer.alloc(10)]), { partition, acks: 1 });
    assert.equal(produced, { error: 0, baseOffset: good }, what);
    assert.is((await client.fetchAll("topic", 0, partition)).length, good + 1, what);
  }
});

test("a damaged segment that isn't the last is not served: the broker says which, and ends", async () => {
  const failureOf = async (segments: Readonly<Record<number, Buffer>>) => {
    const folder = tempFolder();
    writePartition(folder, 0, segments);
    return startBroker(folder).then(
      () => "none",
      (error: Error) => error.message,
    );
  };
  const first = segmentOf(0, 2);
  const [damaged, gap] = await Promise.all([
    failureOf({ 0: first.subarray(0, first.length - 10), 2: segmentOf(2, 4), 4: segmentOf(4, 6) }),
    failureOf({ 0: first, 2: segmentOf(2, 4), 6: segmentOf(6, 8) }),
  ]);
  assert.match(damaged, /topic-0\/00000000000000000000\.log: no batch 1 at byte/);
  assert.match(gap, /no records from 4 to 6/);
});

test("a file that can't grow is the protocol's storage error, and nothing of it is seen, then or later", async () => {
  const folder = tempFolder();
  // In KiB. A write that reaches past it is cut short, and the next one fails with EFBIG.
  const command = ["bash", "-c", 'ulimit -f 1000; exec "$@"', "--", process.execPath] as const;
  const batch = batchOf([randomBytes(300_000)]);
  const small = batchOf([Buffer.from("small")]);
  {
    await using broker = await startBroker(folder, { command, options: ["--partitions", "1"] });
    using client = await KafkaClient.connect(broker.port);
    await client.createTopic("topic");
    for (const acks of [-1, 1, -1]) assert.is((await client.produce("topic", batch, { acks })).error, 0);
    for (const acks of [-1, 1]) assert.is((await client.produce("topic", batch, { acks })).error, storageError);
    assert.is((await client.fetchAll("topic")).length, 3);
    // What fits still goes in, and lies where the failed ones were.
    assert.equal(await client.produce("topic", small), { error: 0, baseOffset: 3 });
    assert.is((await client.fetchAll("topic")).length, 4);
    assert.match(broker.complaints, /EFBIG/);
    // Without acknowledgement the end of the connection tells.
    await assert.is(await client.request(0, 3, produceBody("topic", 0, batch, 0)).catch(() => "closed"), "closed");
    await broker.kill();
  }
  await using broker = await startBroker(folder);
  using client = await KafkaClient.connect(broker.port);
  assert.is((await client.fetchAll("topic")).length, 4);
  assert.equal(await client.produce("topic", batch), { error: 0, baseOffset: 4 });
});

/** Why system calls can't be traced here, if they can't. */
const untraceable = await runChild(["strace", "-o", "/dev/null", "true"], 20_000).then(
  ({ code, output }) => (code === 0 ? undefined : `strace: ${output}`),
  () => "there is no strace program",
);

function traced(name: string, body: () => Promise<void>): void {
  if (untraceable === undefined) return void test(name, body);
  test.skip(name);
  console.log(`skip ${name}: ${untraceable}`);
}

const flushTest =
  "acks=all is answered after fdatasync, acks=1 without; one that fails is a storage error and the last append";
traced(flushTest, async () => {
  const folder = tempFolder();
  const trace = join(folder, "trace");
  const log = join(folder, "log");
  const rules = ["-e", "trace=pwrite64,fdatasync,write,writev", "-e", "inject=fdatasync:error=EIO:when=2+"];
  // -D: the broker is our child, and strace its observer. It counts the calls of each thread: all are made by one.
  const tracer = ["strace", "-D", "-f", "-yy", "-s", "0", ...rules, "-o", trace] as const;
  const command = ["env", "UV_THREADPOOL_SIZE=1", ...tracer, process.execPath] as const;
  /** Up to each answer, what has been done since the one before. */
  const callsByAnswer = (): string[][] => {
    const answers: string[][] = [[]];
    for (const line of fs.readFileSync(trace, "utf8").split("\n")) {
      // The disk's calls count when they return, in one line or after others that came between; answers when they begin.
      const [, ended] = /^\d+ +(?:<\.\.\. )?(pwrite64|fdatasync)\b.*= (?:\d+|-1 EIO.*)$/.exec(line) ?? [];
      if (ended !== undefined) answers.at(-1)?.push(ended);
      else if (/^\d+ +writev?\(\d+<TCP/.test(line)) answers.push([]);
    }
    return answers.slice(0, -1);
  };
  const batches = ["flushed", "written", "unsure", "too late"].map((word) => batchOf([Buffer.from(word)]));
  const expected: readonly (readonly [acks: number, error: number, calls: readonly string[]])[] = [
    [-1, 0, ["pwrite64", "fdatasync"]],
    [1, 0, ["pwrite64"]],
    [-1, storageError, ["pwrite64", "fdatasync"]],
    [1, storageError, []],
  ];
  {
    await using broker = await startBroker(log, { command, options: ["--partitions", "1"] });
    using client = await KafkaClient.connect(broker.port);
    await client.createTopic("topic");
    for (const [index, [acks, error]] of expected.entries())
      assert.is((await client.produce("topic", batches[index] ?? Buffer.alloc(0), { acks })).error, error);
    await waitFor("the trace", () => callsByAnswer().length === 5);
    assert.equal(
      callsByAnswer().slice(1),
      expected.map(([, , calls]) => [...calls]),
    );
    // What was acknowledged is served.
    assert.is((await client.fetchAll("topic")).length, 2);
    assert.is(await client.listOffset("topic", -1), 2);
    await broker.kill();
  }
  await using broker = await startBroker(log);
  using client = await KafkaClient.connect(broker.port);
  assert.is((await client.produce("topic", batches[3] ?? Buffer.alloc(0))).error, 0);
  // The one that nobody was sure of may be there or not.
  assert.ok((await client.fetchAll("topic")).length >= 3);
});

test.run();
