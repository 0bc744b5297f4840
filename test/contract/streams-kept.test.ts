/** What sluice/stream leaves to node:stream altogether, and the reasons that report() gives. */
import { spawn } from "node:child_process";
import * as fs from "node:fs";
import { once } from "node:events";
import * as http from "node:http";
import * as net from "node:net";
import { join } from "node:path";
import process from "node:process";
import { PassThrough, Transform, Writable } from "node:stream";
import * as zlib from "node:zlib";
import { assert, test } from "../support/contract.ts";
import { collect } from "../support/data.ts";
import { tempFolder } from "../support/temp.ts";
import { type Connection, connect } from "./support/connection.ts";
import { fifo } from "./support/descriptors.ts";
import { assertBytes, data, dataFile, MiB } from "./support/files.ts";
import {
  assertAlike,
  assertLeft,
  closed,
  eventsOf,
  factsOf,
  stateOfSource,
  type Way,
  withConnection,
} from "./support/streams.ts";

const engine = { needs: ["engine"] } as const;

class Collector extends Writable {
  readonly chunks: Buffer[] = [];
  override _write(chunk: Buffer, _encoding: BufferEncoding, callback: () => void): void {
    this.chunks.push(chunk);
    callback();
  }
}

class Throttled extends net.Socket {
  seen = 0;
  override _write(chunk: Buffer, encoding: BufferEncoding, callback: (error?: Error | null) => void): void {
    this.seen += chunk.length;
    super._write(chunk, encoding, callback);
  }
  override _writev(chunks: { chunk: Buffer }[], callback: (error?: Error | null) => void): void {
    this._write(Buffer.concat(chunks.map(({ chunk }) => chunk)), "binary", callback);
  }
}

class CountingFile extends fs.WriteStream {
  seen = 0;
  override _write(chunk: Buffer, encoding: BufferEncoding, callback: (error?: Error | null) => void): void {
    this.seen += chunk.length;
    super._write(chunk, encoding, callback);
  }
}

interface Kept {
  readonly name: string;
  readonly reason: RegExp;
  /** Sends the file through the way and answers the bytes that came, and anything else to compare. */
  play(way: Way, path: string, source: fs.ReadStream): Promise<{ received: Buffer; more?: unknown }>;
}

/** A source that goes to a socket; `act` prepares the two. */
function toSocket(act: (source: fs.ReadStream, socket: net.Socket) => void): Kept["play"] {
  return (way, _path, source) =>
    withConnection(async ({ socket, peer }) => {
      const received = collect(peer);
      act(source, socket);
      way.pipe(source, socket);
      return { received: await received };
    });
}

const cases: readonly Kept[] = [
  {
    name: "a target that is any Writable",
    reason: /Collector/,
    play: async (way, _path, source) => {
      const target = new Collector();
      way.pipe(source, target);
      await once(target, "finish");
      return { received: Buffer.concat(target.chunks) };
    },
  },
  {
    name: "a Transform between",
    reason: /PassThrough/,
    play: (way, _path, source) =>
      withConnection(async ({ socket, peer }) => {
        const received = collect(peer);
        await way.promises.pipeline(source, new PassThrough(), socket);
        return { received: await received };
      }),
  },
  {
    name: "compression",
    reason: /Gzip/,
    play: (way, _path, source) =>
      withConnection(async ({ socket, peer }) => {
        const received = collect(peer);
        await way.promises.pipeline(source, zlib.createGzip(), socket);
        return { received: zlib.gunzipSync(await received) };
      }),
  },
  {
    name: "a 'data' listener",
    reason: /somebody else/,
    play: toSocket((source) => source.on("data", () => undefined)),
  },
  {
    name: "a 'readable' listener",
    reason: /somebody else/,
    play: toSocket((source) => source.on("readable", () => source.read())),
  },
  {
    name: "a second target",
    reason: /several targets/,
    play: toSocket((source) => source.pipe(new PassThrough()).resume()),
  },
  {
    name: "an own push",
    reason: /push/,
    play: toSocket((source) => {
      const { push } = source;
      source.push = (chunk: unknown) => push.call(source, chunk);
    }),
  },
  {
    name: "a socket whose write has been replaced",
    reason: /write/,
    play: toSocket((_source, socket) => {
      const { write } = socket;
      socket.write = ((...args: Parameters<typeof write>) => write.apply(socket, args)) as typeof write;
    }),
  },
  {
    name: "a file whose write has been replaced",
    reason: /write/,
    play: async (way, path, source) => {
      const into = `${path}.into`;
      const target = fs.createWriteStream(into);
      let seen = 0;
      const { write } = target;
      target.write = ((...args: Parameters<typeof write>) => {
        seen += (args[0] as Buffer).length;
        return write.apply(target, args);
      }) as typeof write;
      way.pipe(source, target);
      await closed(target);
      // Since 26.12 Node's own pipe() passes by the `write` of a lone target, but for some of its chunks.
      return { received: fs.readFileSync(into), more: seen > 0 };
    },
  },
  {
    name: "a file of a class of its own",
    reason: /of its own|replaced/,
    play: async (way, path, source) => {
      const into = `${path}.into`;
      const target = new (CountingFile as unknown as new (path: string) => CountingFile)(into);
      way.pipe(source, target);
      await closed(target);
      return { received: fs.readFileSync(into), more: target.seen };
    },
  },
  {
    name: "a socket of a class with a _write of its own",
    reason: /./,
    play: async (way, _path, source) => {
      const server = net.createServer().listen(0, "127.0.0.1");
      await once(server, "listening");
      const accepted = once(server, "connection") as unknown as Promise<[net.Socket]>;
      const socket = new Throttled();
      socket.connect((server.address() as net.AddressInfo).port, "127.0.0.1");
      const [peer] = await accepted;
      const received = collect(peer);
      way.pipe(source, socket);
      const result = { received: await received, more: socket.seen };
      server.close();
      await closed(socket);
      return result;
    },
  },
];

const size = MiB + 11;

for (const { name, reason, play } of cases) {
  test(`${name} keeps a file in JavaScript`, engine, async () => {
    const { path, content } = dataFile(tempFolder(), size);
    await assertAlike(async (way) => {
      const source = way.createReadStream(path);
      const { received, more } = await play(way, path, source);
      assertBytes(received, content);
      await closed(source);
      assertLeft(way, source, reason);
      return { more, source: stateOfSource(source) };
    });
  });
}

/** What is corked, and who ends it: pipe's own end() uncorks. */
const corked: Readonly<
  Record<string, (link: Connection, folder: string) => { target: Writable; received(): Promise<Buffer> }>
> = {
  "a socket": ({ socket, peer }) => {
    const received = collect(peer);
    return { target: socket, received: () => received };
  },
  "a file": (_link, folder) => {
    const path = join(folder, "copy");
    const target = fs.createWriteStream(path);
    return {
      target,
      received: async () => {
        await closed(target);
        return fs.readFileSync(path);
      },
    };
  },
};

for (const [name, make] of Object.entries(corked)) {
  test(`${name} that is corked until its end gets what was written before, and then the file`, engine, async () => {
    const { path, content } = dataFile(tempFolder(), 4096);
    await assertAlike((way) =>
      withConnection(async (link) => {
        const { target, received } = make(link, tempFolder());
        target.cork();
        target.write("before;");
        const source = way.createReadStream(path);
        way.pipe(source, target);
        assertBytes(await received(), Buffer.concat([Buffer.from("before;"), content]));
        await closed(source);
        assertLeft(way, source, /corked/);
        return stateOfSource(source);
      }),
    );
  });

  test(`${name} that is corked for a tick gets all in order`, engine, async () => {
    const { path, content } = dataFile(tempFolder(), MiB);
    await assertAlike((way) =>
      withConnection(async (link) => {
        const { target, received } = make(link, tempFolder());
        const source = way.createReadStream(path);
        source.on("open", () => {
          target.cork();
          target.write("before;");
          process.nextTick(() => target.uncork());
        });
        way.pipe(source, target);
        assertBytes(await received(), Buffer.concat([Buffer.from("before;"), content]));
        await closed(source);
        return stateOfSource(source);
      }),
    );
  });
}

test("a stream that is decoded stays in JavaScript", engine, async () => {
  const folder = tempFolder();
  const path = join(folder, "text");
  fs.writeFileSync(path, "text of a kind ".repeat(100_000));
  await assertAlike((way) =>
    withConnection(async ({ socket, peer }) => {
      const received = collect(peer);
      const source = way.createReadStream(path, "utf8");
      way.pipe(source, socket);
      assertBytes(await received, fs.readFileSync(path));
      await closed(source);
      assertLeft(way, source, /decoded/);
      return stateOfSource(source);
    }),
  );
});

test("a stream that has been read in part sends every byte once", engine, async () => {
  const { path, content } = dataFile(tempFolder(), size);
  await assertAlike((way) =>
    withConnection(async ({ socket, peer }) => {
      const received = collect(peer);
      const source = way.createReadStream(path);
      await once(source, "readable");
      const first = source.read(1000) as Buffer;
      way.pipe(source, socket);
      assertBytes(Buffer.concat([first, await received]), content);
      await closed(source);
      assertLeft(way, source, /read/);
      return stateOfSource(source);
    }),
  );
});

test("a stream that is paused before it is read sends nothing before it is resumed", engine, async () => {
  const { path, content } = dataFile(tempFolder(), size);
  await assertAlike((way) =>
    withConnection(async ({ socket, peer }) => {
      const source = way.createReadStream(path);
      way.pipe(source, socket);
      source.pause();
      await new Promise((resolve) => setTimeout(resolve, 150));
      const early = socket.bytesWritten;
      const received = collect(peer);
      source.resume();
      assertBytes(await received, content);
      return early;
    }),
  );
});

for (const path of ["/proc/self/mounts", "/proc/cpuinfo", "/sys/class/net/lo/mtu"])
  test(`${path} is sent whole, in JavaScript`, { needs: ["engine", "proc"] }, async () => {
    await assertAlike((way) =>
      withConnection(async ({ socket, peer }) => {
        const source = way.createReadStream(path);
        const received = collect(peer);
        way.pipe(source, socket);
        assert.ok((await received).length > 0);
        await closed(source);
        assertLeft(way, source, /size is not its length/);
        return source.readableEnded;
      }),
    );
  });

test("a FIFO is sent whole, in JavaScript", engine, async () => {
  const content = data(300_000);
  await assertAlike((way) =>
    withConnection(async ({ socket, peer }) => {
      const path = fifo(tempFolder());
      const source = way.createReadStream(path);
      // Another process writes: not every runtime opens both ends of a FIFO at once.
      const writer = spawn("sh", ["-c", 'cat > "$1"', "sh", path], { stdio: ["pipe", "ignore", "inherit"] });
      const received = collect(peer);
      way.pipe(source, socket);
      writer.stdin.end(content);
      assertBytes(await received, content);
      await closed(source);
      assertLeft(way, source, /not a regular file/);
      return stateOfSource(source);
    }),
  );
});

for (const [what, make] of [
  ["a directory", (folder: string) => folder],
  ["a missing file", (folder: string) => join(folder, "none")],
] as const) {
  test(`${what} fails as with node:stream`, engine, async () => {
    const folder = tempFolder();
    await assertAlike((way) =>
      withConnection(async ({ socket, peer }) => {
        const source = way.createReadStream(make(folder));
        const events = eventsOf(source);
        const error = new Promise<unknown>((resolve) => source.once("error", resolve));
        way.pipe(source, socket);
        const facts = factsOf(await error);
        await closed(source);
        assert.not.ok(socket.destroyed);
        socket.end("still usable");
        assert.is((await collect(peer)).toString(), "still usable");
        return { facts, events };
      }),
    );
  });
}

test("a response that is not connected to anything gets its bytes in JavaScript", engine, async () => {
  const { path, content } = dataFile(tempFolder(), 10_000);
  await assertAlike(async (way) => {
    const response = new http.ServerResponse(new http.IncomingMessage(new net.Socket()));
    const socket = new PassThrough();
    response.assignSocket(socket as unknown as net.Socket);
    const received = collect(socket);
    const source = way.createReadStream(path);
    response.once("finish", () => socket.end());
    way.pipe(source, response);
    const bytes = await received;
    assert.ok(bytes.includes("HTTP/1.1 200 OK"));
    await closed(source);
    assertLeft(way, source, /not a socket/);
    return { length: bytes.length >= content.length, source: stateOfSource(source) };
  });
});

test("a Transform as a source is of no concern", engine, async () => {
  const content = data(200_000);
  await assertAlike((way) =>
    withConnection(async ({ socket, peer }) => {
      const received = collect(peer);
      const source = new Transform({ transform: (chunk, _encoding, callback) => callback(null, chunk) });
      source.end(content);
      way.pipe(source, socket);
      assertBytes(await received, content);
      assertLeftOut(source);
      return source.readableEnded;
    }),
  );
});

function assertLeftOut(source: Transform): void {
  assert.not.ok(Object.hasOwn(source, "_read"));
}

test("a Unix socket is a socket", engine, async () => {
  const folder = tempFolder();
  const { path, content } = dataFile(folder, size);
  await assertAlike(async (way) => {
    using link = await connect(join(folder, way.name.replace("/", "-")));
    const received = collect(link.peer);
    const source = way.createReadStream(path);
    way.pipe(source, link.socket);
    assertBytes(await received, content);
    await closed(source);
    return { source: stateOfSource(source), written: link.socket.bytesWritten };
  });
});
