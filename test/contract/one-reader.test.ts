/**
 * A socket has one reader from the call on, whenever that is made, and whatever its runtime and its owner do with the socket
 * afterwards: every way of taking its bytes, at every moment, with bytes that come before, during and after the call.
 */
import * as fs from "node:fs";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";
import { join } from "node:path";
import process from "node:process";
import { PassThrough } from "node:stream";
import { proxy, type ProxyOptions, type Strategy, tee, type TeeOptions, transfer, type TransferOptions } from "sluice";
import { pipeline } from "sluice/stream";
import { test } from "../support/contract.ts";
import { collect } from "../support/data.ts";
import { limiter } from "../support/limiter.ts";
import type { Need } from "../support/needs.ts";
import { tempFolder } from "../support/temp.ts";
import { connect as link } from "./support/connection.ts";
import { destinations } from "./support/ends.ts";
import { type Schedule, schedules, wordBytes, wordPeer, type WordPeer, words, wordsWrong } from "./support/words.ts";

/** Somebody who takes all of a socket's bytes, made before the moment comes. */
interface Taker extends Disposable {
  /** Resolves with how many bytes are said to have gone. */
  take(socket: Socket): Promise<number>;
  arrived(): Promise<Buffer>;
}

type Make = (folder: string) => Promise<Taker>;

const into =
  (kind: keyof typeof destinations, options: TransferOptions = {}): Make =>
  async (folder) => {
    const end = await destinations[kind](folder);
    return {
      take: async (socket) => (await transfer(socket, end.to, options)).bytes,
      arrived: () => end.received(),
      [Symbol.dispose]: () => end[Symbol.dispose](),
    };
  };

const intoHandle: Make = async (folder) => {
  const path = join(folder, "target");
  const handle = await fs.promises.open(path, "w");
  return {
    take: async (socket) => (await transfer(socket, handle)).bytes,
    arrived: async () => {
      await handle.close();
      return fs.readFileSync(path);
    },
    [Symbol.dispose]: () => undefined,
  };
};

const proxied =
  (options: ProxyOptions = {}): Make =>
  async () => {
    const { socket: b, peer } = await link();
    const received = collect(peer);
    void received.then(
      () => peer.end(),
      () => undefined,
    );
    return {
      take: async (a) => (await proxy(a, b, options)).aToB.bytes,
      arrived: () => received,
      [Symbol.dispose]: () => peer.destroy(),
    };
  };

const distributed =
  (options: TeeOptions = {}): Make =>
  async (folder) => {
    const right = await destinations.tcp(folder);
    const file = join(folder, "also");
    return {
      take: async (socket) => (await tee(socket, [right.to, file], options)).bytes,
      arrived: async () => {
        const [one, other] = [await right.received(), fs.readFileSync(file)];
        if (!one.equals(other)) throw new Error(`One target has ${one.length} bytes and the other ${other.length}`);
        return one;
      },
      [Symbol.dispose]: () => right[Symbol.dispose](),
    };
  };

const streamed: Make = async (folder) => {
  const path = join(folder, "target");
  return {
    take: (socket) =>
      new Promise((resolve, reject) => {
        pipeline(socket, fs.createWriteStream(path), (error: Error | null | undefined) =>
          error ? reject(error) : resolve(fs.statSync(path).size),
        );
      }),
    arrived: async () => fs.readFileSync(path),
    [Symbol.dispose]: () => undefined,
  };
};

interface Way {
  readonly make: Make;
  readonly needs?: readonly Need[];
  /** Whether listeners may see what passes, as they do of any stream that is piped. */
  readonly shows?: boolean;
}

const forced = (strategy: Strategy): Way => ({ make: into("tcp", { strategy }), needs: ["engine"] });

const ways: Readonly<Record<string, Way>> = {
  "transfer() to a descriptor": { make: into("fd") },
  "transfer() to a FileHandle": { make: intoHandle },
  "transfer() to a path": { make: into("path") },
  "transfer() to an atomic path": { make: into("path", { atomic: true }) },
  "transfer() to a socket": { make: into("tcp") },
  "transfer() to a pipe": { make: into("pipe") },
  "transfer() by splice": forced("splice"),
  "transfer() by buffered": forced("buffered"),
  "transfer() by portable": { make: into("tcp", { strategy: "portable" }) },
  "proxy()": { make: proxied() },
  "proxy() that adopts": { make: proxied({ adopt: true }) },
  "proxy() by portable": { make: proxied({ strategy: "portable" }) },
  "tee()": { make: distributed() },
  "tee() by portable": { make: distributed({ strategy: "portable" }) },
  "pipeline() of sluice/stream": { make: streamed, shows: true },
};

/** Makes the call, when the moment has come. What its handler keeps to itself is answered first. */
type Moment = (socket: Socket, call: (kept?: Buffer) => void) => void;

/** For a socket whose event 'connect', or 'connection', is being told of. */
const moments: Readonly<Record<string, Moment>> = {
  "in the event itself": (_, call) => call(),
  "in a microtask": (_, call) => queueMicrotask(call),
  "in the next tick": (_, call) => process.nextTick(call),
  "in an immediate": (_, call) => void setImmediate(call),
  "in 'data', which keeps the chunk": (socket, call) => void socket.once("data", call),
  "in 'data', which puts the chunk back": (socket, call) =>
    void socket.once("data", (chunk: Buffer) => {
      socket.unshift(chunk);
      call();
    }),
  "after 'data', in an immediate, with the chunk put back": (socket, call) =>
    void socket.once("data", (chunk: Buffer) => {
      socket.pause();
      setImmediate(() => {
        socket.unshift(chunk);
        call();
      });
    }),
  "in 'readable'": (socket, call) => void socket.once("readable", () => call()),
  "in 'readable', which keeps a byte": (socket, call) =>
    void socket.once("readable", () => call(socket.read(1) as Buffer)),
  "in 'readable', which puts four bytes back": (socket, call) =>
    void socket.once("readable", () => {
      socket.unshift(socket.read(4));
      call();
    }),
};

/** What is done to the socket when the call has been made; `heard` is told of bytes that anybody else gets. */
const meddlings: Readonly<Record<string, (socket: Socket, heard: (bytes: number) => void) => void>> = {
  nothing: () => undefined,
  "resume()": (socket) => void socket.resume(),
  "resume() later": (socket) => void setTimeout(() => socket.resume(), 3),
  "pause()": (socket) => void socket.pause(),
  "read(0)": (socket) => void socket.read(0),
  "read()": (socket, heard) => heard(((socket.read() as Buffer | null) ?? []).length),
  "a listener of 'data'": (socket, heard) => void socket.on("data", ({ length }: Buffer) => heard(length)),
  "a listener of 'readable'": (socket, heard) =>
    void socket.on("readable", () => heard(((socket.read() as Buffer | null) ?? []).length)),
};

/** A socket of either side, when its event is told of. */
const sides: Readonly<Record<string, (peer: WordPeer, schedule: Schedule, act: (socket: Socket) => void) => void>> = {
  "'connect'": (peer, schedule, act) => {
    const socket = connect({ port: peer.port(schedule), host: "127.0.0.1", allowHalfOpen: true });
    socket.once("connect", () => act(socket));
  },
  "'connection'": (peer, schedule, act) => {
    const server = createServer({ allowHalfOpen: true }, (socket) => {
      server.close();
      act(socket);
    }).listen(0, "127.0.0.1", () => peer.connectTo((server.address() as AddressInfo).port, schedule));
  },
};

const hangMs = 15_000;

interface Case {
  readonly side: string;
  readonly schedule: Schedule;
  readonly moment: string;
  readonly meddling: string;
}

function casesFor({ shows = false }: Way): Case[] {
  return Object.keys(sides).flatMap((side) =>
    schedules.flatMap((schedule) =>
      Object.keys(moments).flatMap((moment) =>
        // Of a stream that is piped its owner may have the bytes, too.
        (shows ? ["nothing"] : Object.keys(meddlings)).map((meddling) => ({ side, schedule, moment, meddling })),
      ),
    ),
  );
}

/** What is wrong, or undefined. */
async function played(
  way: Way,
  peer: WordPeer,
  { side, schedule, moment, meddling }: Case,
): Promise<string | undefined> {
  using taker = await way.make(tempFolder());
  let socket: Socket | undefined;
  let overheard = 0;
  let hung: ReturnType<typeof setTimeout> | undefined;
  try {
    const [kept, told] = await new Promise<[Buffer, number]>((resolve, reject) => {
      hung = setTimeout(() => reject(new Error("it does not come to an end")), hangMs);
      sides[side]?.(peer, schedule, (found) => {
        socket = found;
        found.on("error", () => undefined);
        moments[moment]?.(found, (keeps = Buffer.alloc(0)) => {
          taker.take(found).then((bytes) => resolve([keeps, bytes]), reject);
          meddlings[meddling]?.(found, (bytes) => (overheard += bytes));
        });
      });
    });
    const arrived = await taker.arrived();
    if (told !== arrived.length) return `${told} bytes were told of where ${arrived.length} arrived`;
    if (overheard > 0) return `${overheard} bytes were given to somebody else`;
    return wordsWrong(Buffer.concat([kept, arrived]));
  } catch (error) {
    return String(error);
  } finally {
    clearTimeout(hung);
    socket?.destroy();
  }
}

/** Each case is like others: in a short run each combination of two is there, and not of all four. */
const sparing = process.env["SLUICE_TEST_ALL"] === undefined ? 7 : 1;

for (const [name, way] of Object.entries(ways))
  test(`${name} of a socket is its one reader`, { ...way, timeoutMs: 60_000, alone: true }, async () => {
    using peer = await wordPeer();
    const limit = limiter(6);
    const wrong: string[] = [];
    const cases = casesFor(way).filter((_, index) => index % sparing === 0);
    await Promise.all(
      cases.map((each) =>
        limit(async () => {
          const found = await played(way, peer, each);
          if (found !== undefined)
            wrong.push(`${each.moment} of ${each.side}, ${each.schedule}, ${each.meddling}: ${found}`);
        }),
      ),
    );
    if (wrong.length > 0)
      throw new Error(`${wrong.length} of ${cases.length} are wrong:\n${wrong.slice(0, 12).join("\n")}`);
  });

const noBytes = Buffer.alloc(0);

/**
 * Sends, and resets after some time, without an end. Who asks for a mechanism of the engine gets it, also where his runtime reads
 * what is reset: then the error is what tells.
 */
async function brokenOff(way: Way, round: number): Promise<string | undefined> {
  using taker = await way.make(tempFolder());
  using left = await link();
  const { socket, peer } = left;
  socket.on("error", () => undefined);
  peer.on("error", () => undefined);
  peer.write(words(round % 3 === 0 ? 40_000 : wordBytes));
  const taking = taker.take(socket).then(
    (bytes) => `it resolved with ${bytes} bytes`,
    (error: { code?: string }) =>
      codesOfBreaks.includes(error.code ?? "") ? undefined : `it failed with ${error.code}`,
  );
  await new Promise((resolve) => setTimeout(resolve, round % 7));
  peer.resetAndDestroy();
  const wrong = await taking;
  // Where the source broke off, so may what came of it.
  const arrived = await taker.arrived().catch(() => noBytes);
  if (wrong !== undefined || way.needs !== undefined) return wrong;
  return arrived.equals(words(wordBytes).subarray(0, arrived.length)) ? undefined : "it lost bytes of the middle";
}

const codesOfBreaks = ["ECONNRESET", "EPIPE", "ERR_SLUICE_CLOSED"];

for (const [name, way] of Object.entries(ways)) {
  // A stream ends as its runtime says, and libuv calls some resets ended.
  if (way.shows === true) continue;
  test(`${name} of a socket that is reset is no success`, { ...way, timeoutMs: 60_000 }, async () => {
    for (let round = 0; round < 40; round++) {
      const wrong = await brokenOff(way, round);
      if (wrong !== undefined) throw new Error(`Round ${round}: ${wrong}`);
    }
  });
}

for (const subscribe of ["on", "once"] as const)
  test(`transfer() of a Readable in a handler given to ${subscribe}("data") takes all that follows`, {}, async () => {
    const path = join(tempFolder(), "target");
    const stream = new PassThrough();
    let taking: Promise<Buffer> | undefined;
    stream[subscribe]("data", (chunk: Buffer) => {
      if (taking !== undefined) return;
      taking = transfer(stream, path).then(() => Buffer.concat([chunk, fs.readFileSync(path)]));
      stream.resume();
    });
    for (let at = 0; at < wordBytes; at += 10_000) {
      stream.write(words(wordBytes).subarray(at, at + 10_000));
      await new Promise((next) => (at % 3 === 0 ? setTimeout(next, 1) : setImmediate(next)));
    }
    stream.end();
    const wrong = wordsWrong((await taking) ?? noBytes);
    if (wrong !== undefined) throw new Error(wrong);
  });
