/** examples/kafka-log as its clients see it: kcat (librdkafka) and kafkajs. */
import { randomBytes as random } from "node:crypto";
import kafkajs, { type IHeaders, type KafkaMessage } from "kafkajs";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { MiB } from "../contract/support/files.ts";
import { withProgram } from "../http/support/programs.ts";
import { sha256 } from "../support/data.ts";
import { candidates, locate } from "../support/runtimes.ts";
import { tempFolder } from "../support/temp.ts";
import { type Broker, kcat, startBroker } from "./support/kafka-broker.ts";

const test = suite("kafka-log");

const lines = (from: number, to: number): string =>
  Array.from({ length: to - from + 1 }, (_, index) => `${from + index}\n`).join("");

const clientOf = (broker: Broker) =>
  new kafkajs.Kafka({ brokers: [broker.address], logLevel: kafkajs.logLevel.NOTHING, retry: { retries: 2 } });

async function kafkajsProduces(broker: Broker, topic: string, messages: kafkajs.Message[], gzip = false) {
  const producer = clientOf(broker).producer({ createPartitioner: kafkajs.Partitioners.DefaultPartitioner });
  await producer.connect();
  const compression = gzip ? kafkajs.CompressionTypes.GZIP : kafkajs.CompressionTypes.None;
  await producer.send({ topic, messages, compression, acks: -1 });
  await producer.disconnect();
}

async function subscribed(broker: Broker, topic: string, groupId: string): Promise<kafkajs.Consumer> {
  // It waits for its last fetch when it disconnects.
  const consumer = clientOf(broker).consumer({ groupId, maxWaitTimeInMs: 100 });
  await consumer.connect();
  await consumer.subscribe({ topics: [topic], fromBeginning: true });
  return consumer;
}

/** Consumes as a group until a number of messages has come; commits what it has seen. */
async function kafkajsConsumes(broker: Broker, topic: string, groupId: string, count: number): Promise<KafkaMessage[]> {
  const consumer = await subscribed(broker, topic, groupId);
  const messages: KafkaMessage[] = [];
  await new Promise<void>((resolve, reject) => {
    consumer.on(consumer.events.CRASH, ({ payload }) => reject(payload.error));
    const eachMessage = async ({ message }: { message: KafkaMessage }) => {
      messages.push(message);
      if (messages.length === count) resolve();
    };
    consumer.run({ eachMessage }).catch(reject);
  });
  await consumer.disconnect();
  return messages;
}

const texts = (headers: IHeaders | undefined) =>
  Object.fromEntries(Object.entries(headers ?? {}).map(([name, value]) => [name, String(value)]));

await withProgram(test, "kcat", "kcat produces and consumes: keys, headers, partitions, places", async () => {
  await using broker = await startBroker(tempFolder());
  const keyed = Array.from({ length: 500 }, (_, index) => `key${index}:value${index}`);
  await kcat(broker, ["-P", "-t", "keyed", "-K:", "-H", "one=1", "-H", "two=2"], keyed.join("\n"));
  const consume = (...args: string[]) => kcat(broker, ["-C", "-q", "-e", ...args]);
  const all = await consume("-t", "keyed", "-o", "beginning", "-f", "%p %k:%s %h\n");
  const seen = all.trimEnd().split("\n");
  assert.equal(seen.map((line) => line.replace(/^\d /, "")).sort(), keyed.map((line) => `${line} one=1,two=2`).sort());
  assert.is(new Set(seen.map((line) => line[0])).size, 3, "every partition has some");

  await kcat(broker, ["-P", "-t", "numbers", "-p", "1"], lines(1, 1000));
  assert.is(await consume("-t", "numbers", "-p", "1", "-o", "-5"), lines(996, 1000));
  assert.is(await consume("-t", "numbers", "-p", "1", "-o", "end"), "");
  assert.is(await consume("-t", "numbers", "-p", "1", "-o", "500", "-c", "3"), lines(501, 503));
  assert.is(await consume("-t", "numbers", "-p", "0", "-o", "beginning"), "");
  const listed = await kcat(broker, ["-L"]);
  assert.match(listed, /topic "numbers" with 3 partitions/);
  assert.match(listed, new RegExp(`broker 0 at ${broker.address}`));
  const group = ["-X", "auto.offset.reset=earliest", "-G", "group", "numbers"];
  assert.is(await kcat(broker, ["-q", "-e", ...group]), lines(1, 1000));
  assert.is((await broker.stop())["portable"], undefined);
});

await withProgram(
  test,
  "kcat",
  "kcat's compressed batches pass through untouched, and kafkajs reads them",
  async () => {
    await using broker = await startBroker(tempFolder(), { options: ["--partitions", "1"] });
    const plain = lines(1, 5000);
    await Promise.all(
      ["gzip", "snappy", "lz4", "zstd"].map(async (codec) => {
        await kcat(broker, ["-P", "-t", codec, "-z", codec], plain);
        assert.is(await kcat(broker, ["-C", "-q", "-e", "-t", codec, "-o", "beginning"]), plain, codec);
      }),
    );
    const messages = await kafkajsConsumes(broker, "gzip", "reader", 5000);
    assert.is(messages.map(({ value }) => `${String(value)}\n`).join(""), plain);
    // What was sent is less than the half of what it stands for: nobody has unpacked it.
    const sent = Object.values(await broker.stop()).reduce((sum, { bytes }) => sum + bytes, 0);
    assert.ok(sent < (5 * 5000 * 11) / 2, `${sent} bytes`);
  },
);

test("kafkajs produces and consumes in a group, which goes on where it was after a restart", async () => {
  const folder = tempFolder();
  const big = Array.from({ length: 2 }, () => random(4 * MiB));
  const small = { key: "key", value: "first", headers: { name: "header" } };
  {
    await using broker = await startBroker(folder, { options: ["--partitions", "2"] });
    await kafkajsProduces(broker, "topic", [small, { key: "key", value: "second" }], true);
    for (const value of big) await kafkajsProduces(broker, "topic", [{ key: "key", value }]);
    const messages = await kafkajsConsumes(broker, "topic", "group", 4);
    assert.equal(
      messages.slice(0, 2).map(({ key, value, headers }) => [String(key), String(value), texts(headers)]),
      [
        ["key", "first", { name: "header" }],
        ["key", "second", {}],
      ],
    );
    const values = messages.slice(2).map(({ value }) => sha256(value ?? new Uint8Array()));
    assert.equal(
      values,
      big.map((value) => sha256(value)),
    );
    const sent = await broker.stop();
    assert.ok((sent["sendfile"]?.bytes ?? 0) > 8 * MiB, JSON.stringify(sent));
    assert.is(sent["portable"], undefined);
  }
  await using broker = await startBroker(folder);
  await kafkajsProduces(broker, "topic", [{ key: "key", value: "last" }]);
  const [last] = await kafkajsConsumes(broker, "topic", "group", 1);
  assert.is(String(last?.value), "last");
  assert.is(last?.offset, "4");
  const admin = clientOf(broker).admin();
  await admin.connect();
  const offsets = await admin.fetchTopicOffsets("topic");
  assert.equal(offsets.map(({ low, high }) => `${low} ${high}`).sort(), ["0 0", "0 5"]);
  await admin.disconnect();
});

test("a second member of a group is refused until the first has left", async () => {
  await using broker = await startBroker(tempFolder(), { options: ["--partitions", "1"] });
  await kafkajsProduces(broker, "topic", [{ value: "only" }]);
  const first = await subscribed(broker, "topic", "group");
  const second = await subscribed(broker, "topic", "group");
  try {
    await new Promise<void>((resolve, reject) => {
      first.run({ eachMessage: async () => resolve() }).catch(reject);
    });
    const crash = new Promise<string>((resolve) =>
      second.on(second.events.CRASH, ({ payload }) => resolve(payload.error.message)),
    );
    await second.run({ eachMessage: async () => {} }).catch(() => {});
    assert.match(await crash, /max size/);
  } finally {
    await Promise.all([first.disconnect(), second.disconnect()]);
  }
  await kafkajsProduces(broker, "topic", [{ value: "another" }]);
  const [message] = await kafkajsConsumes(broker, "topic", "group", 1);
  assert.is(String(message?.value), "another");
});

for (const candidate of candidates.usual.filter(({ name }) => name !== "node"))
  await withProgram(test, "kcat", `the same broker runs on ${candidate.name}`, async () => {
    const { command } = await locate(candidate);
    const folder = tempFolder();
    await using broker = await startBroker(folder, { command, script: "examples/kafka-log/main.ts" });
    const value = random(900_000).toString("hex").slice(0, 900_000);
    await kcat(broker, ["-P", "-t", "topic", "-p", "0", "-z", "gzip"], `first\n${value}\n`);
    const consumed = await kcat(broker, ["-C", "-q", "-e", "-t", "topic", "-p", "0", "-o", "beginning"]);
    assert.is(consumed, `first\n${value}\n`);
    assert.ok(((await broker.stop())["sendfile"]?.bytes ?? 0) > 400_000);
  });

test.run();
