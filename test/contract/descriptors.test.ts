/** Descriptors: none is left open, whatever the outcome, and running out of them is an error like any other. */
import { execFileSync } from "node:child_process";
import * as fs from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { capabilities, copyFile, explain, openFile, transfer, type TransferError } from "sluice";
import { assert, test } from "../support/contract.ts";
import { collect } from "../support/data.ts";
import { takeFdCensus } from "../support/fds.ts";
import { tempFolder } from "../support/temp.ts";
import { connect, type Connection, listen, readExactly } from "./support/connection.ts";
import { openFds } from "./support/descriptors.ts";
import { assertBytes, dataFile, MiB } from "./support/files.ts";
import { failure } from "./support/outcome.ts";

/** One way for a transfer to end. */
interface Ending {
  /** The code it ends with, or those of which the kernel chooses one; undefined where it succeeds. */
  readonly code: string | readonly string[] | undefined;
  readonly run: (folder: string, link: Connection) => Promise<unknown>;
}

const small = (folder: string) => join(folder, "small");
const large = (folder: string) => join(folder, "large");
const target = (folder: string) => join(folder, "target");

const endings: readonly Ending[] = [
  { code: undefined, run: (folder, { socket }) => transfer(small(folder), socket) },
  { code: undefined, run: (folder) => transfer(small(folder), target(folder)) },
  { code: undefined, run: (folder) => copyFile(small(folder), target(folder)) },
  { code: undefined, run: (folder) => explain(small(folder), target(folder)) },
  { code: undefined, run: (_folder, { socket }) => transfer("/proc/version", socket) },
  { code: "ENOENT", run: (folder, { socket }) => transfer(join(folder, "missing"), socket) },
  { code: "EISDIR", run: (folder, { socket }) => transfer(folder, socket) },
  { code: "EISDIR", run: (folder) => transfer(small(folder), folder) },
  { code: "ENOENT", run: (folder) => transfer(small(folder), join(folder, "missing", "target")) },
  { code: "ENOSPC", run: (folder) => transfer(small(folder), "/dev/full") },
  { code: "EEXIST", run: (folder) => copyFile(small(folder), large(folder), { overwrite: false }) },
  { code: "ENOENT", run: (folder) => copyFile(join(folder, "missing"), target(folder)) },
  { code: "ERR_SLUICE_OVERLAP", run: (folder) => transfer(small(folder), small(folder)) },
  {
    code: "ERR_SLUICE_UNSUPPORTED",
    run: (folder, { socket }) => transfer(small(folder), socket, { strategy: "copyFileRange" }),
  },
  { code: "ABORT_ERR", run: (folder, { socket }) => transfer(small(folder), socket, { signal: AbortSignal.abort() }) },
  { code: "ABORT_ERR", run: abortInTheMiddle },
  { code: "ERR_SLUICE_CLOSED", run: destroyInTheMiddle },
  { code: ["ECONNRESET", "EPIPE"], run: resetInTheMiddle },
];

async function abortInTheMiddle(folder: string, { socket, peer }: Connection): Promise<unknown> {
  const abort = new AbortController();
  const sending = transfer(large(folder), socket, { signal: abort.signal });
  readExactly(peer, 1).then(() => abort.abort());
  return await sending;
}

async function destroyInTheMiddle(folder: string, { socket, peer }: Connection): Promise<unknown> {
  const sending = transfer(large(folder), socket);
  readExactly(peer, 1).then(() => socket.destroy());
  return await sending;
}

async function resetInTheMiddle(folder: string, { socket, peer }: Connection): Promise<unknown> {
  socket.on("error", () => undefined);
  const sending = transfer(large(folder), socket);
  readExactly(peer, 1).then(() => peer.resetAndDestroy());
  return await sending;
}

async function run(count: number, folder: string): Promise<void> {
  await using host = await listen();
  const batch = async (from: number) => {
    for (let i = from; i < count; i += 4) {
      const { code, run: act } = endings[i % endings.length] as Ending;
      using link = links[i] as Connection;
      if (code === undefined) await act(folder, link);
      else
        assert.ok(
          [code].flat().includes((await failure(() => act(folder, link))).code),
          `ending ${i % endings.length}`,
        );
    }
  };
  const links: Connection[] = [];
  for (let i = 0; i < count; i++) links.push(await host.connect());
  try {
    await Promise.all([0, 1, 2, 3].map(batch));
  } finally {
    for (const link of links) link[Symbol.dispose]();
  }
}

test(
  "1,000 transfers of every outcome leave the descriptors as they were",
  { alone: true, needs: ["proc"], timeoutMs: 120_000 },
  async () => {
    const folder = tempFolder();
    fs.writeFileSync(small(folder), "small");
    const { path } = dataFile(folder, 48 * MiB);
    fs.renameSync(path, large(folder));
    // A runtime opens sockets of its own somewhere in its first connections, with or without Sluice.
    await run(1000, folder);
    const census = await takeFdCensus();
    await run(1000, folder);
    await census.assertUnchanged();
  },
);

test(
  "transfer() with no descriptor left is EMFILE, and works again when there are some",
  { needs: ["proc"] },
  async () => {
    const folder = tempFolder();
    const { path, content } = dataFile(folder, 300_000);
    using link = await connect();
    await transfer(path, link.socket);
    assertBytes(await readExactly(link.peer, content.length), content);
    leaveDescriptors(20);
    const fillers = fillDescriptors();
    let succeeded = 0;
    for (let free = 0; free <= 8; free++) {
      const filled = openFds().size;
      const last = fs.openSync("/dev/null", "r");
      try {
        await transfer(path, link.socket);
        succeeded++;
      } catch (error) {
        assert.is((error as { code?: string }).code, "EMFILE", `with ${free} free`);
        assert.is((error as { bytesTransferred?: number }).bytesTransferred, 0);
      }
      fs.closeSync(last);
      assert.is(openFds().size, filled, "nothing stays open");
      fs.closeSync(fillers.pop() as number);
    }
    for (const fd of fillers) fs.closeSync(fd);
    assert.ok(succeeded > 0 && succeeded < 9);
    const received = collect(link.peer);
    await transfer(path, link.socket);
    link.socket.end();
    assertBytes(await received, Buffer.concat(Array.from({ length: succeeded + 1 }, () => content)));
  },
);

test(
  "a first call with no descriptor left is EMFILE, and the next works when there are some",
  { alone: true, needs: ["proc"] },
  async () => {
    const folder = tempFolder();
    const { path, content } = dataFile(folder, 300_000);
    const copy = join(folder, "copy");
    leaveDescriptors(20);
    const fillers = [...fillDescriptors(), fs.openSync("/dev/null", "r")];
    const calls = [() => copyFile(path, copy), () => openFile(path), () => explain(path, copy)];
    const errors = [];
    for (const call of calls) errors.push(await failure(call));
    for (const fd of fillers) fs.closeSync(fd);
    for (const error of errors) assert.is(error.code, "EMFILE");
    await copyFile(path, copy);
    assertBytes(fs.readFileSync(copy), content);
    await using channel = await openFile(path);
    assert.is(await channel.size(), content.length);
    assert.ok((await explain(path, copy)).candidates.length > 0);
  },
);

test(
  "explain() of open files, where no descriptor is left to load anything with, works as soon as there is one",
  { alone: true, needs: ["proc"] },
  async () => {
    const folder = tempFolder();
    const { path } = dataFile(folder, 300_000);
    const ends = [fs.openSync(path, "r"), fs.openSync(target(folder), "w")] as const;
    capabilities();
    leaveDescriptors(20);
    const fillers = [...fillDescriptors(), fs.openSync("/dev/null", "r")];
    // A runtime that has loaded all beforehand succeeds.
    const [first] = await Promise.allSettled([explain(...ends)]);
    for (const fd of fillers) fs.closeSync(fd);
    if (first.status === "rejected") assert.is((first.reason as TransferError).code, "EMFILE");
    assert.match((await explain(...ends)).drawing(), "page cache");
    for (const fd of ends) fs.closeSync(fd);
  },
);

/** Lowers this process's own limit to so many numbers above those in use. */
function leaveDescriptors(count: number): void {
  const limit = Math.max(...openFds().keys()) + count;
  // Bun closes the sockets of a child's streams some time after the child has ended.
  execFileSync("prlimit", [`--pid=${process.pid}`, `--nofile=${limit}`], { stdio: "ignore" });
}

/** Opens /dev/null until the limit is reached. */
function fillDescriptors(): number[] {
  const fds: number[] = [];
  for (;;) {
    try {
      fds.push(fs.openSync("/dev/null", "r"));
    } catch (error) {
      assert.is((error as NodeJS.ErrnoException).code, "EMFILE");
      // Reading /proc/self/fd takes one.
      fs.closeSync(fds.pop() as number);
      return fds;
    }
  }
}
