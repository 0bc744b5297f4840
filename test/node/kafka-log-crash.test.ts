/** What examples/kafka-log keeps: kill -9 under load, torn ends, damaged segments, disks that refuse. */
import * as fs from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { setTimeout as sleep } from "node:timers/promises";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { randomBytes } from "../support/data.ts";
import { runChild } from "../support/child.ts";
import { tempFolder } from "../support/temp.ts";
import { segmentsOf, startBroker } from "./support/kafka-broker.ts";
import { batchOf, KafkaClient, produceBody } from "./support/kafka-client.ts";

const test = suite("kafka-log-crash");
const storageError = 56;

/** Where a batch's first value stands, that a batch is known by. */
const seen = (bytes: Buffer): string => bytes.subarray(61).toString("latin1");

test("kill -9 again and again, under load: all that was acknowledged by acks=all is there", async () => {
  const folder = tempFolder();
  const options = ["--partitions", "2", "--segment-bytes", "100000"];
  const acknowledged: { partition: number; baseOffset: number; content: string }[] = [];
  let made = 0;

  const produceUntilGone = async (port: number, partition: number): Promise<void> => {
    using client = await KafkaClient.connect(port);
    const one = async (): Promise<boolean> => {
      const values = Array.from({ length: 1 + (made % 3) }, () =>
        Buffer.from(`value ${made++} `.repeat(1 + (made % 90))),
      );
      const batch = batchOf(values);
      const { error, baseOffset } = await client.produce("topic", batch, { partition });
      assert.is(error, 0);
      acknowledged.push({ partition, baseOffset, content: seen(batch) });
      return true;
    };
    const isGone = (failure: Error) => {
      if (!/closed the connection/.test(failure.message)) throw failure;
      return false;
    };
    // Four wait at a time, so that groups form.
    const inTurn = async () => {
      while (await one().catch(isGone));
    };
    await Promise.all([inTurn(), inTurn(), inTurn(), inTurn()]);
  };

  const rounds = 6;
  for (let round = 0; round <= rounds; round++) {
    await using broker = await startBroker(folder, { options });
    using client = await KafkaClient.connect(broker.port);
    await client.createTopic("topic");
    for (const partition of [0, 1]) {
      const batches = new Map<number, string>();
      let next = 0;
      for (const { baseOffset, records, bytes } of await client.fetchAll("topic", 0, partition)) {
        assert.is(baseOffset, next, "no gap and nothing twice");
        next += records;
        batches.set(baseOffset, seen(bytes));
      }
      for (const one of acknowledged)
        if (one.partition === partition) assert.is(batches.get(one.baseOffset), one.content, `round ${round}`);
    }
    if (round === rounds) break;
    const load = Promise.all([0, 1, 0, 1].map((partition) => produceUntilGone(broker.port, partition)));
    await sleep(60 + 37 * round);
    await broker.kill();
    await load;
  }
  assert.ok(acknowledged.length > 100, `${acknowledged.length} acknowledged`);
  assert.ok(segmentsOf(folder, "topic").length > 2);
});

/** A stopped log of ten batches in one segment, and what it takes to look at it again. */
async function tenBatches(options: readonly string[] = []): Promise<{ folder: string; path: string; content: Buffer }> {
  const folder = tempFolder();
  await using broker = await startBroker(folder, { options: ["--partitions", "1", ...options] });
  using client = await KafkaClient.connect(broker.port);
  await client.createTopic("topic");
  for (let index = 0; index < 10; index++) await client.produce("topic", batchOf([Buffer.alloc(1000, index)]));
  await broker.stop();
  const [path = ""] = segmentsOf(folder, "topic");
  return { folder, path, content: fs.readFileSync(path) };
}

test("a torn end is cut off, and the log goes on from there", async () => {
  const { folder, path, content } = await tenBatches();
  const size = content.length / 10;
  const flipped = (at: number) => {
    const copy = Buffer.from(content);
    copy[at] = (copy[at] ?? 0) ^ 1;
    return copy;
  };
  // What lies in the file, and how many batches of it are good.
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
  ];
  for (const [what, bytes, good] of ends) {
    fs.writeFileSync(path, bytes);
    await using broker = await startBroker(folder);
    using client = await KafkaClient.connect(broker.port);
    assert.is(fs.statSync(path).size, good * size, what);
    assert.is((await client.fetchAll("topic")).length, good, what);
    assert.equal(await client.produce("topic", batchOf([Buffer.alloc(10)])), { error: 0, baseOffset: good }, what);
  }
});

test("a damaged segment that isn't the last is not served: the broker says which, and ends", async () => {
  const { folder, path, content } = await tenBatches(["--segment-bytes", "3000"]);
  assert.is(segmentsOf(folder, "topic").length, 5);
  fs.writeFileSync(path, content.subarray(0, content.length - 10));
  const failure = await startBroker(folder).then(
    () => "none",
    (error: Error) => error.message,
  );
  assert.match(failure, /topic-0\/00000000000000000000\.log: no batch 1 at byte/);
  fs.writeFileSync(path, content);
  fs.rmSync(join(folder, "topic-0", "00000000000000000004.log"));
  const gap = await startBroker(folder).then(
    () => "none",
    (error: Error) => error.message,
  );
  assert.match(gap, /no records from 4 to 6/);
});

test("a segment that was begun and never used is taken away", async () => {
  const { folder } = await tenBatches();
  const empty = join(folder, "topic-0", "00000000000000000004.log");
  fs.writeFileSync(empty, "");
  await using broker = await startBroker(folder);
  assert.is(fs.existsSync(empty), false);
  using client = await KafkaClient.connect(broker.port);
  assert.is((await client.fetchAll("topic")).length, 10);
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

traced("acks=all is answered after fdatasync, acks=1 after the write without it", async () => {
  const folder = tempFolder();
  const trace = join(folder, "trace");
  const calls = "trace=pwrite64,fdatasync,write,writev";
  // -D: the broker is our child, and strace its observer.
  const command = ["strace", "-D", "-f", "-y", "-s", "0", "-e", calls, "-o", trace, process.execPath] as const;
  const callsSince = (position: number): string[] =>
    fs
      .readFileSync(trace, "utf8")
      .slice(position)
      .split("\n")
      .flatMap((line) => {
        // What has returned: a call in one line, or the end of one that others came between.
        const [, name] = /^\d+ +(?:<\.\.\. )?(\w+).*= \d+$/.exec(line) ?? [];
        if (name === undefined) return [];
        if (name.startsWith("write")) return /socket|TCP/.test(line) ? ["answer"] : [];
        return [name];
      });
  await using broker = await startBroker(join(folder, "log"), { command, options: ["--partitions", "1"] });
  using client = await KafkaClient.connect(broker.port);
  await client.createTopic("topic");
  for (const [acks, expected] of [
    [-1, ["pwrite64", "fdatasync", "answer"]],
    [1, ["pwrite64", "answer"]],
  ] as const) {
    const position = fs.statSync(trace).size;
    assert.is((await client.produce("topic", batchOf([Buffer.alloc(100)]), { acks })).error, 0);
    await sleep(50);
    assert.equal(callsSince(position), [...expected], `acks=${acks}`);
  }
  await broker.stop();
});

traced(
  "a flush that fails is a storage error, after which nothing is appended and what was acknowledged is served",
  async () => {
    const folder = tempFolder();
    const inject = ["-e", "trace=fdatasync", "-e", "inject=fdatasync:error=EIO"];
    const command = ["strace", "-D", "-f", "-o", "/dev/null", ...inject, process.execPath] as const;
    const [first, second] = [batchOf([Buffer.from("first")]), batchOf([Buffer.from("second")])];
    {
      await using broker = await startBroker(join(folder, "log"), {
        command: [...command],
        options: ["--partitions", "1"],
      });
      using client = await KafkaClient.connect(broker.port);
      await client.createTopic("topic");
      assert.equal(await client.produce("topic", first, { acks: 1 }), { error: 0, baseOffset: 0 });
      assert.is((await client.produce("topic", second)).error, storageError);
      assert.is((await client.produce("topic", second, { acks: 1 })).error, storageError);
      assert.is((await client.fetchAll("topic")).length, 1);
      assert.is(await client.listOffset("topic", -1), 1);
      await broker.kill();
    }
    await using broker = await startBroker(join(folder, "log"));
    using client = await KafkaClient.connect(broker.port);
    assert.is((await client.produce("topic", second)).error, 0);
    assert.ok((await client.fetchAll("topic")).length >= 2);
  },
);

test.run();
