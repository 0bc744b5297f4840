/** Options and subclasses of fs.ReadStream under sluice/stream, as with node:stream. */
import * as fs from "node:fs";
import { type EventEmitter, once } from "node:events";
import { join } from "node:path";
import { assert, test } from "../support/contract.ts";
import { collect } from "../support/data.ts";
import { takeFdCensus } from "../support/fds.ts";
import { tempFolder } from "../support/temp.ts";
import { connect } from "./support/connection.ts";
import { fdInfo } from "./support/descriptors.ts";
import { assertBytes, dataFile, MiB } from "./support/files.ts";
import { assertAlike, assertLeft, assertTaken, closed, eventsOf, stateOfSource, type Way } from "./support/streams.ts";

const engine = { needs: ["engine"] } as const;
const { path, content } = dataFile(tempFolder(), 3 * MiB);

/** Sends a stream to a socket and answers what came. */
async function send(way: Way, source: fs.ReadStream): Promise<Buffer> {
  using link = await connect();
  const received = collect(link.peer);
  way.pipe(source, link.socket);
  return await received;
}

for (const [name, start, end] of [
  ["from the start", undefined, undefined],
  ["with a start", 0, undefined],
  ["with a range", 1000, 2 * MiB],
] as const) {
  for (const first of ["", undefined] as const) {
    test(`a descriptor ${name} and the path ${String(first)} is read and left as by node:stream`, engine, async () => {
      await assertAlike(async (way) => {
        const fd = fs.openSync(path, "r");
        fs.readSync(fd, Buffer.alloc(500));
        const options = {
          fd,
          autoClose: false,
          ...(start !== undefined && { start }),
          ...(end !== undefined && { end }),
        };
        const source = way.createReadStream(first as string, options);
        const events = eventsOf(source);
        const bytes = await send(way, source);
        const { position } = fdInfo(fd);
        fs.closeSync(fd);
        assertBytes(bytes, content.subarray(start ?? 500, end === undefined ? undefined : end + 1));
        if (start === undefined) assertLeft(way, source, /its own position/);
        else assertTaken(way, source);
        return { events, position, state: stateOfSource(source) };
      });
    });
  }
}

test("a descriptor with autoClose is closed once", { alone: true, needs: ["engine", "proc"] }, async () => {
  const run = () =>
    assertAlike(async (way) => {
      const source = way.createReadStream("", { fd: fs.openSync(path, "r"), start: 5 });
      const bytes = await send(way, source);
      await closed(source);
      return { length: bytes.length, state: stateOfSource(source) };
    });
  await run();
  const census = await takeFdCensus();
  await run();
  await census.assertUnchanged();
});

test("autoClose false leaves the file open, and the stream usable for its close", engine, async () => {
  await assertAlike(async (way) => {
    const source = way.createReadStream(path, { autoClose: false });
    const events = eventsOf(source);
    assertBytes(await send(way, source), content);
    const { fd } = source as unknown as { fd: number };
    assert.ok(fs.fstatSync(fd).isFile());
    const state = stateOfSource(source);
    source.close();
    await closed(source);
    assert.throws(() => fs.fstatSync(fd));
    return { events, state };
  });
});

test("emitClose false emits no 'close'", engine, async () => {
  await assertAlike(async (way) => {
    const source = way.createReadStream(path, { emitClose: false });
    const events = eventsOf(source);
    assertBytes(await send(way, source), content);
    await new Promise((resolve) => setTimeout(resolve, 30));
    return { events, state: stateOfSource(source) };
  });
});

for (const highWaterMark of [1, 4096, 1024 * 1024]) {
  test(`highWaterMark ${highWaterMark} makes no difference to the bytes`, engine, async () => {
    await assertAlike(async (way) => {
      const source = way.createReadStream(path, { highWaterMark, end: 20_000 });
      assertBytes(await send(way, source), content.subarray(0, 20_001));
      await closed(source);
      return { mark: source.readableHighWaterMark, state: stateOfSource(source) };
    });
  });
}

test("FileHandle.createReadStream() piped by sluice closes its handle once", engine, async () => {
  const { open } = fs.promises;
  await assertAlike(async (way) => {
    const handle = await open(path);
    let closes = 0;
    (handle as unknown as EventEmitter).on("close", () => closes++);
    const source = handle.createReadStream({ start: 100 });
    const events = eventsOf(source);
    assertBytes(await send(way, source), content.subarray(100));
    await closed(source);
    await handle.close();
    assertTaken(way, source);
    return { events, closes, fd: handle.fd, state: stateOfSource(source) };
  });
});

test("a FileHandle as fd, without a start, goes on from where it stands", engine, async () => {
  await assertAlike(async (way) => {
    const handle = await fs.promises.open(path);
    await handle.read(Buffer.alloc(500), 0, 500);
    const source = way.createReadStream("", { fd: handle });
    assertBytes(await send(way, source), content.subarray(500));
    await closed(source);
    return stateOfSource(source);
  });
});

/** node:fs with some functions replaced, as the `fs` option takes it. */
function watched(calls: string[]): Parameters<typeof fs.createReadStream>[1] {
  const read = ((...args: Parameters<typeof fs.read>) => {
    calls.push("read");
    return fs.read(...args);
  }) as typeof fs.read;
  return { fs: { open: fs.open, close: fs.close, read } } as unknown as Parameters<typeof fs.createReadStream>[1];
}

test("the functions of an fs option read the file", engine, async () => {
  await assertAlike(async (way) => {
    const calls: string[] = [];
    const source = way.createReadStream(path, watched(calls));
    assertBytes(await send(way, source), content);
    await closed(source);
    assertLeft(way, source, /other functions/);
    return { calls: calls.length > 0, state: stateOfSource(source) };
  });
});

test("the close of an fs option closes the file", engine, async () => {
  await assertAlike(async (way) => {
    const calls: number[] = [];
    const close = (fd: number, done: (error: Error | null | undefined) => void) => {
      calls.push(fd);
      fs.close(fd, done as fs.NoParamCallback);
    };
    const options = { fs: { open: fs.open, close, read: fs.read } };
    const source = way.createReadStream(path, options as unknown as Parameters<typeof fs.createReadStream>[1]);
    assertBytes(await send(way, source), content);
    await closed(source);
    return calls.length;
  });
});

const Base = fs.ReadStream as unknown as new (path: string) => fs.ReadStream & { fd: number | null };

class Reading extends Base {
  reads = 0;
  destroys = 0;
  override _read(size: number): void {
    this.reads++;
    super._read(size);
  }
  override _destroy(error: Error | null, callback: (error?: Error | null) => void): void {
    this.destroys++;
    super._destroy(error, callback);
  }
}

class Closing extends Base {
  destroys = 0;
  override _destroy(error: Error | null, callback: (error?: Error | null) => void): void {
    this.destroys++;
    super._destroy(error, callback);
  }
}

/** As graceful-fs does it. */
class Opening extends Base {
  opens = 0;
  open(): void {
    this.opens++;
    fs.open(String(this.path), "r", (error, fd) => {
      if (error) return void this.emit("error", error);
      this.fd = fd;
      this.emit("open", fd);
    });
  }
}

class Pushing extends Base {
  pushed = 0;
  override push(chunk: Buffer | null): boolean {
    this.pushed += chunk?.length ?? 0;
    return super.push(chunk);
  }
}

test("a subclass with a _read of its own reads by that", engine, async () => {
  await assertAlike(async (way) => {
    const source = new Reading(path);
    assertBytes(await send(way, source), content);
    await closed(source);
    return { reads: source.reads > 1, destroys: source.destroys, state: stateOfSource(source) };
  });
});

test("a subclass with a _destroy of its own is destroyed once, by that", engine, async () => {
  await assertAlike(async (way) => {
    const source = new Closing(path);
    assertBytes(await send(way, source), content);
    await closed(source);
    assertTaken(way, source);
    return { destroys: source.destroys, own: Object.hasOwn(source, "_destroy"), state: stateOfSource(source) };
  });
});

test("a subclass with an open of its own is opened once, by that", engine, async () => {
  await assertAlike(async (way) => {
    const source = new Opening(path);
    const events = eventsOf(source);
    assertBytes(await send(way, source), content);
    await closed(source);
    return { opens: source.opens, opened: events.includes("open"), state: stateOfSource(source) };
  });
});

test("a subclass with a push of its own sees every byte", engine, async () => {
  await assertAlike(async (way) => {
    const source = new Pushing(path);
    assertBytes(await send(way, source), content);
    await closed(source);
    return { pushed: source.pushed, state: stateOfSource(source) };
  });
});

test("reading a stream that is not piped is node:fs's own", engine, async () => {
  await assertAlike(async (way) => {
    const source = way.createReadStream(path);
    assertBytes(await collect(source as AsyncIterable<Uint8Array>), content);
    return stateOfSource(source);
  });
});

test("'open' listeners run before anything is sent, and what they write comes first", engine, async () => {
  await assertAlike(async (way) => {
    using link = await connect();
    const received = collect(link.peer);
    const source = way.createReadStream(path);
    source.once("open", () => link.socket.write("head;"));
    way.pipe(source, link.socket);
    assertBytes(await received, Buffer.concat([Buffer.from("head;"), content]));
    await closed(source);
    return stateOfSource(source);
  });
});

test("a target that an 'open' listener adds keeps both targets whole", engine, async () => {
  const into = join(tempFolder(), "into");
  await assertAlike(async (way) => {
    using link = await connect();
    const received = collect(link.peer);
    const source = way.createReadStream(path);
    const second = fs.createWriteStream(into);
    source.once("open", () => source.pipe(second));
    way.pipe(source, link.socket);
    await once(second, "close");
    assertBytes(await received, content);
    assertBytes(fs.readFileSync(into), content);
    await closed(source);
    assertLeft(way, source, /several targets/);
    return stateOfSource(source);
  });
});
