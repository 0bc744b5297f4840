/** explain() tells what transfer() then does, for every kind of end and option, and disturbs nobody by looking. */
import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import * as fs from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { PassThrough, Readable } from "node:stream";
import { pathToFileURL } from "node:url";
import { explain, lease, type Source, type Target, transfer, type TransferOptions } from "sluice";
import { assert, test } from "../support/contract.ts";
import { tempFolder } from "../support/temp.ts";
import { waitFor } from "../support/wait.ts";
import { connect } from "./support/connection.ts";
import { pipe } from "./support/descriptors.ts";
import { data, KiB } from "./support/files.ts";
import { aWhile, watch } from "./support/outcome.ts";

/** Where the ends of one case lie. */
interface Place {
  readonly folder: string;
  /** Another filesystem, where there is one. */
  readonly other: string;
  /** The path of a socket that listens. */
  readonly socket: string;
}

interface End<T> {
  readonly end: T;
  close?(): void;
}

type Make<T> = (place: Place) => End<T> | Promise<End<T>>;

const at =
  <T extends Source & Target>(name: string, convert: (path: string) => T = (path) => path as T): Make<T> =>
  ({ folder }) => ({ end: convert(join(folder, name)) });

const opened =
  (name: string, flags: string): Make<number> =>
  ({ folder }) => {
    const end = fs.openSync(join(folder, name), flags);
    return { end, close: () => fs.closeSync(end) };
  };

const sources: Readonly<Record<string, Make<Source>>> = {
  file: at("file"),
  small: at("small"),
  empty: at("empty"),
  "a URL": at("file", pathToFileURL),
  "a link": at("link"),
  "a file elsewhere": ({ other }) => ({ end: join(other, "file") }),
  procfs: () => ({ end: "/proc/cpuinfo" }),
  null: () => ({ end: "/dev/null" }),
  "a folder": at(""),
  nothing: at("missing"),
  "a link to nothing": at("dangling"),
  "beneath a file": at("file/name"),
  "a socket's path": ({ socket }) => ({ end: socket }),
  "a descriptor": opened("file", "r"),
  "a descriptor for both": opened("file", "r+"),
  "a descriptor for writing": opened("file", "a"),
  bytes: () => ({ end: data(300 * KiB) }),
  "few bytes": () => ({ end: data(3) }),
  "a stream": () => ({ end: Readable.from([data(3), data(300)]) }),
  "a socket": async () => {
    const link = await connect();
    link.peer.end(data(3000));
    return { end: link.socket, close: () => link[Symbol.dispose]() };
  },
  "a pipe": ({ folder }) => {
    const { reader, writer } = pipe(folder, { nonblocking: true });
    fs.writeSync(writer, data(1000));
    fs.closeSync(writer);
    return { end: reader, close: () => fs.closeSync(reader) };
  },
};

const targets: Readonly<Record<string, Make<Target>>> = {
  "a new file": at("new"),
  "an old file": at("old"),
  "a link": at("link"),
  "a link to nothing": at("dangling"),
  "a new file elsewhere": ({ other }) => ({ end: join(other, "new") }),
  "the file itself": at("file"),
  null: () => ({ end: "/dev/null" }),
  full: () => ({ end: "/dev/full" }),
  "a folder": at(""),
  "a folder's name": at("name/"),
  "a file's name with a slash": at("old/"),
  "in no folder": at("no/name"),
  "beneath a file": at("file/name"),
  "in procfs": () => ({ end: "/proc/new" }),
  "in sysfs": () => ({ end: "/sys/new" }),
  "a socket's path": ({ socket }) => ({ end: socket }),
  "a descriptor": opened("old", "r+"),
  "a descriptor that appends": opened("old", "a"),
  "a descriptor for reading": opened("old", "r"),
  "a stream": () => ({ end: new PassThrough().resume() }),
  "a stream that has ended": () => ({ end: new PassThrough({ autoDestroy: false }).resume().end() }),
  "a socket": async () => {
    const link = await connect();
    link.peer.resume();
    return { end: link.socket, close: () => link[Symbol.dispose]() };
  },
};

const options: readonly TransferOptions[] = [
  {},
  { offset: 10 },
  { offset: 1e9 },
  { length: 100 },
  { length: 0 },
  { targetOffset: 5 },
  { strategy: "reflink" },
  { strategy: "sendfile" },
  { strategy: "splice" },
  { strategy: "mapped" },
  { strategy: ["sendfile", "splice"] },
  { strategy: ["reflink", "copyFileRange", "buffered"] },
  { strategy: "portable" },
  { fallback: false },
  { cache: "direct" },
  { cache: "dontcache" },
  { atomic: true },
  { durable: true },
  { consistency: "snapshot" },
  { consistency: "leased" },
  { consistency: "leased", onLeaseBreak: "snapshot" },
];

function lay({ folder, other }: Place): void {
  for (const base of [folder, other]) fs.rmSync(join(base, "new"), { force: true });
  fs.rmSync(join(other, "made"), { force: true });
  for (const base of new Set([folder, other])) fs.writeFileSync(join(base, "file"), data(200 * KiB));
  fs.writeFileSync(join(folder, "small"), "hello");
  fs.writeFileSync(join(folder, "empty"), "");
  fs.writeFileSync(join(folder, "old"), data(50 * KiB));
}

/** What is there, and what would show that it was touched. */
const state = ({ folder, other }: Place): unknown =>
  [...new Set([folder, other])].flatMap((base) =>
    fs.readdirSync(base).map((name) => {
      const { size, ino, mtimeMs, ctimeMs, nlink } = fs.lstatSync(join(base, name));
      return [name, size, ino, mtimeMs, ctimeMs, nlink];
    }),
  );

interface Told {
  readonly code: string | undefined;
  readonly strategies: readonly string[];
}

const failed = (error: unknown): Told => {
  const { code = String(error), attempts = [] } = error as {
    code?: string;
    attempts?: readonly { strategy: string }[];
  };
  return { code, strategies: attempts.map(({ strategy }) => strategy) };
};

/**
 * Why the two don't agree, or undefined. What fails under way has begun as it was told. A runtime may read more of a
 * socket between the two, which then comes first, by the portable path.
 */
function differs(plan: Told, done: Told, readsAhead: boolean): string | undefined {
  if (plan.code !== undefined)
    return plan.code === done.code && done.strategies.length === 0 ? undefined : "the refusals differ";
  if (done.code !== undefined && done.strategies.length === 0) return "it was refused";
  const own = ({ strategies }: Told) => (readsAhead && strategies[0] === "portable" ? strategies.slice(1) : strategies);
  const told = own(plan);
  return own(done).every((strategy, index) => strategy === told[index]) ? undefined : "the mechanisms differ";
}

const tell = ({ code, strategies }: Told): string => [...(code === undefined ? [] : [code]), ...strategies].join(" ");

/** Every pair of ends with some of the options, in turn: all of them meet all sources and all targets. */
const each = 3;

test("explain() and transfer() agree on every pair of ends", { timeoutMs: 180_000 }, async () => {
  const root = tempFolder();
  const folder = join(root, "here");
  const other = fs.existsSync("/dev/shm") ? tempFolder("/dev/shm") : join(root, "there");
  for (const base of [folder, other]) fs.mkdirSync(base, { recursive: true });
  const place: Place = { folder, other, socket: join(root, "socket") };
  const server = createServer().listen(place.socket);
  await once(server, "listening");
  fs.symlinkSync("old", join(folder, "link"));
  fs.symlinkSync(join(other, "made"), join(folder, "dangling"));
  const wrong: string[] = [];
  let turn = 0;
  for (const [from, source] of Object.entries(sources))
    for (const [to, target] of Object.entries(targets))
      for (let i = 0; i < each; i++) {
        const asked = options[turn++ % options.length] ?? {};
        lay(place);
        const [a, b] = [await source(place), await target(place)];
        const before = state(place);
        const plan = await explain(a.end, b.end, asked).then(
          ({ candidates }): Told => ({ code: undefined, strategies: candidates.map(({ strategy }) => strategy) }),
          failed,
        );
        assert.equal(state(place), before, `explain() touched something: ${from} to ${to}`);
        const done = await transfer(a.end, b.end, { ...asked, signal: AbortSignal.timeout(60_000) }).then(
          ({ attempts }): Told => ({ code: undefined, strategies: attempts.map(({ strategy }) => strategy) }),
          failed,
        );
        a.close?.();
        b.close?.();
        const why = differs(plan, done, from === "a socket");
        if (why !== undefined)
          wrong.push(`${from} to ${to}, ${JSON.stringify(asked)}: ${why}: ${tell(plan)} | ${tell(done)}`);
      }
  server.close();
  assert.equal(wrong, []);
});

test(
  "explain() leaves whoever waits at a FIFO waiting, and loses no byte of a writer's",
  { needs: ["proc"] },
  async () => {
    const folder = tempFolder();
    const fifo = join(folder, "fifo");
    fs.writeFileSync(join(folder, "file"), "text");
    execFileSync("mkfifo", [fifo]);
    const look = async () => {
      assert.is((await explain(join(folder, "file"), fifo)).target.kind, "pipe");
      assert.is((await explain(fifo, join(folder, "new"))).source.kind, "pipe");
      assert.is((await explain(pathToFileURL(fifo), "/dev/null")).source.kind, "pipe");
    };
    await look();
    // Nothing else puts these programs to sleep before their first read or write.
    const waits = (name: string, pid: number | undefined) =>
      fs.readFileSync(`/proc/${pid}/stat`, "utf8").includes(`(${name}) S`);
    const reader = spawn("cat", [fifo], { stdio: ["ignore", "pipe", "inherit"] });
    const read = watch(once(reader, "close"));
    const text = reader.stdout.setEncoding("utf8").toArray();
    await waitFor("cat to wait for a writer", () => waits("cat", reader.pid));
    await look();
    await aWhile();
    assert.not.ok(read.settled, "its FIFO has not ended");
    fs.writeFileSync(fifo, "for the reader");
    assert.equal(await text, ["for the reader"]);

    const writer = spawn("sh", ["-c", `echo from the writer > "${fifo}"`], { stdio: "inherit" });
    const ended = once(writer, "close");
    await waitFor("sh to wait for a reader", () => waits("sh", writer.pid));
    await look();
    await aWhile();
    const report = await transfer(fifo, join(folder, "new"));
    assert.equal(await ended, [0, null]);
    assert.is(report.bytes, 16);
    assert.is(fs.readFileSync(join(folder, "new"), "utf8"), "from the writer\n");
  },
);

test("explain() breaks no lease, and a device is looked at from outside", { needs: ["engine"] }, async () => {
  const folder = tempFolder();
  const path = join(folder, "file");
  fs.writeFileSync(path, "text");
  using held = await lease(path, "write");
  const broken = watch(held.broken);
  await explain(path, join(folder, "new"));
  await explain("/proc/version", path);
  await aWhile();
  assert.not.ok(broken.settled);
  assert.ok(held.release());
});

/** Links that lead nowhere yet, by what they say; their folder is reached by a link itself, so that only the kernel knows "..". */
const dangling: readonly (readonly [leads: string, made: string | undefined])[] = [
  ["made", "real/deep/made"],
  ["../made", "real/made"],
  ["../there/made", "real/there/made"],
  ["../misleading/made", undefined],
  ["chain", "real/made"],
  ["loop", undefined],
];

const folders = ["real", "real/deep", "real/there", "misleading"];

for (const [leads, made] of dangling)
  for (const asked of [{}, { durable: true }, { atomic: true }] satisfies TransferOptions[])
    test(`explain() and transfer() follow a link to "${leads}" alike: ${JSON.stringify(asked)}`, {}, async () => {
      const root = tempFolder();
      for (const name of folders) fs.mkdirSync(join(root, name), { recursive: true });
      fs.symlinkSync("real/deep", join(root, "alias"));
      fs.symlinkSync("../made", join(root, "real/deep/chain"));
      fs.symlinkSync("loop", join(root, "real/deep/loop"));
      const [file, link] = [join(root, "file"), join(root, "alias/link")];
      fs.writeFileSync(file, "text");
      fs.symlinkSync(leads, link);
      const names = () =>
        ["", ...folders].flatMap((name) => fs.readdirSync(join(root, name)).map((entry) => join(name, entry)));
      const before = names();
      const told = await explain(file, link, asked).catch(failed);
      assert.equal(names(), before);
      const met = await transfer(file, link, asked).catch(failed);
      assert.equal(names().sort(), [...before, ...(made === undefined ? [] : [made])].sort());
      if (made === undefined || "code" in told || "code" in met) {
        assert.is(made, undefined);
        assert.equal(met, told);
        return;
      }
      assert.is(met.attempts[0]?.strategy, told.candidates[0]?.strategy);
      assert.is(fs.readFileSync(join(root, made), "utf8"), "text");
      assert.ok(fs.lstatSync(link).isSymbolicLink());
    });
