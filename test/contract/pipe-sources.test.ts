/** CASES.md B 26 to 28: pipes and FIFOs as sources. */
import { readFile } from "node:fs/promises";
import * as fs from "node:fs";
import { join } from "node:path";
import { transfer } from "sluice";
import { assert, test } from "../support/contract.ts";
import { tempFolder } from "../support/temp.ts";
import { waitFor } from "../support/wait.ts";
import { arrivals, connect } from "./support/connection.ts";
import { fdInfo, fifo, pipe } from "./support/descriptors.ts";
import { assertBytes, data } from "./support/files.ts";
import { feedPipe } from "./support/ends.ts";
import { failure, watch } from "./support/outcome.ts";

test("transfer() from FIFOs without a writer holds up nothing and can be aborted (26)", {}, async () => {
  const folder = tempFolder();
  using link = await connect();
  const abort = new AbortController();
  // More than the four threads of a runtime's usual pool for file work.
  const waiting = Array.from({ length: 12 }, async (_, i) => {
    const target = i === 0 ? link.socket : join(folder, `target-${i}`);
    return await failure(() => transfer(fifo(folder), target, { signal: abort.signal }));
  });
  fs.writeFileSync(join(folder, "other"), "free");
  assert.is(await readFile(join(folder, "other"), "utf8"), "free");
  abort.abort();
  for (const error of await Promise.all(waiting)) {
    assert.is(error.name, "AbortError");
    assert.is(error.bytesTransferred, 0);
  }
});

test("transfer() from a FIFO waits for a writer and ends with it (26, 27)", {}, async () => {
  const path = fifo(tempFolder());
  const { result, received } = await arrivals(async (socket) => {
    const sending = transfer(path, socket);
    const state = watch(sending);
    const writer = await openWriter(path, () => state.settled);
    fs.writeSync(writer, "hello");
    fs.closeSync(writer);
    return await sending;
  });
  assert.is(result.bytes, 5);
  assert.is(received.toString(), "hello");
});

/** Opens a FIFO for writing as soon as somebody reads it: before that the kernel answers ENXIO. */
async function openWriter(path: string, tooLate: () => boolean): Promise<number> {
  let fd = -1;
  await waitFor("a reader of the FIFO", () => {
    if (tooLate()) throw new Error("The transfer ended before there was a writer");
    try {
      fd = fs.openSync(path, fs.constants.O_WRONLY | fs.constants.O_NONBLOCK);
    } catch (error) {
      assert.is((error as NodeJS.ErrnoException).code, "ENXIO");
    }
    return fd >= 0;
  });
  return fd;
}

for (const nonblocking of [false, true]) {
  const mode = nonblocking ? "non-blocking" : "blocking";

  test(`transfer() from a ${mode} pipe goes on to its end of file (27)`, {}, async () => {
    const { reader, writer } = pipe(tempFolder(), { nonblocking });
    const { result, received } = await arrivals(async (socket) => {
      const sending = transfer(reader, socket);
      fs.writeSync(writer, "hel");
      await Promise.resolve();
      fs.writeSync(writer, "lo");
      fs.closeSync(writer);
      return await sending;
    });
    fs.closeSync(reader);
    assert.is(result.bytes, 5);
    assert.is(received.toString(), "hello");
  });

  test(`transfer() of one byte from a ${mode} pipe that stays open resolves and keeps its flags (28)`, {}, async () => {
    const { reader, writer } = pipe(tempFolder(), { nonblocking });
    const flags = fdInfo(reader).flags;
    const { result, received } = await arrivals(async (socket) => {
      const sending = transfer(reader, socket, { length: 1 });
      fs.writeSync(writer, "ab");
      return await sending;
    });
    assert.is(result.bytes, 1);
    assert.is(received.toString(), "a");
    assert.is(fdInfo(reader).flags, flags);
    const rest = Buffer.alloc(9);
    assert.is(fs.readSync(reader, rest), 1, "the second byte is still in the pipe");
    assert.is(rest.toString("latin1", 0, 1), "b");
    fs.closeSync(reader);
    fs.closeSync(writer);
  });
}

test("transfer() from a pipe refuses an offset with ESPIPE and takes nothing (27)", {}, async () => {
  const { reader, writer } = pipe(tempFolder());
  fs.writeSync(writer, "hello");
  using link = await connect();
  const error = await failure(() => transfer(reader, link.socket, { offset: 1, length: 1 }));
  assert.is(error.code, "ESPIPE");
  assert.is(fs.readSync(reader, Buffer.alloc(9)), 5);
  fs.closeSync(reader);
  fs.closeSync(writer);
});

test("transfer() from a pipe to a file moves more than the pipe holds (27)", {}, async () => {
  const folder = tempFolder();
  const { reader, writer } = pipe(folder, { nonblocking: true });
  const content = data(1_000_003);
  const into = join(folder, "target");
  const sending = transfer(reader, into);
  await feedPipe(writer, content);
  assert.is((await sending).bytes, content.length);
  fs.closeSync(reader);
  assertBytes(fs.readFileSync(into), content);
});
