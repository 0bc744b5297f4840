/** CASES.md F 42: files that shrink while they are memory, mappings that are closed or forgotten while views are held. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import * as fs from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { Worker } from "node:worker_threads";
import { type MappedFile, map, TransferError } from "sluice";
import { assert, test } from "../support/contract.ts";
import { ownCommand } from "../support/self.ts";
import { tempFolder } from "../support/temp.ts";
import { waitFor } from "../support/wait.ts";
import { collectUntil } from "./support/collect.ts";
import { openFds } from "./support/descriptors.ts";
import { assertBytes, dataFile, KiB, MiB } from "./support/files.ts";
import { numbersOf } from "./support/smaps.ts";
import { trap } from "./support/trap.ts";

const needs = ["engine", "proc"] as const;
/** A multiple of every page size. */
const page = 64 * KiB;

function transferError(call: () => unknown): TransferError {
  try {
    call();
  } catch (error) {
    if (error instanceof TransferError) return error;
    throw error;
  }
  throw new Error("It was expected to throw");
}

const codeOf = (call: () => unknown) => transferError(call).code;

for (const mode of ["read", "private", "shared"] as const)
  test(`a "${mode}" mapping of a file that was truncated tells data from zeros (42)`, { needs }, () => {
    const { path, content } = dataFile(tempFolder(), 8 * page);
    using mapped = map(path, { mode, offset: page });
    mapped.check();
    assert.is(mapped.truncated, undefined);
    fs.truncateSync(path, 3 * page);
    assert.is(mapped.bytes[5 * page], 0);
    assert.is(mapped.truncated, 2 * page);
    const error = transferError(() => mapped.check());
    assert.is(error.code, "ERR_SLUICE_TRUNCATED");
    assert.is(error.sourceOffset, 3 * page);
    assertBytes(Buffer.from(mapped.read(0, 2 * page)), content.subarray(page, 3 * page));
    assert.is(
      codeOf(() => mapped.read(0, 2 * page + 1)),
      "ERR_SLUICE_TRUNCATED",
    );
    // Writes to what took its place harm nobody, and are not in the file.
    mapped.bytes[5 * page] = 7;
    mapped.bytes[3 * page] = 8;
    assert.is(mapped.bytes[5 * page], 7);
    assert.is(fs.statSync(path).size, 3 * page);
    if (mode === "shared") {
      mapped.flush(0, page);
      assert.is(
        codeOf(() => mapped.flush()),
        "ERR_SLUICE_TRUNCATED",
      );
    }
  });

test(
  "the zeros after a new end in the middle of a page count as lost, although no signal tells of them (42)",
  { needs },
  () => {
    const { path } = dataFile(tempFolder(), 2 * page);
    using mapped = map(path, { offset: 10 });
    fs.truncateSync(path, 110);
    assert.is(mapped.bytes[101], 0);
    assert.is(mapped.truncated, 100);
    assert.is(mapped.read(0, 100).length, 100);
    assert.is(
      codeOf(() => mapped.read(100, 1)),
      "ERR_SLUICE_TRUNCATED",
    );
  },
);

test("what was lost stays lost when the file grows again (42)", { needs }, () => {
  const { path, content } = dataFile(tempFolder(), 4 * page);
  using mapped = map(path);
  fs.truncateSync(path, page);
  assert.is(mapped.bytes[2 * page], 0);
  fs.writeFileSync(path, content);
  assert.is(mapped.truncated, page);
  assert.is(
    codeOf(() => mapped.check()),
    "ERR_SLUICE_TRUNCATED",
  );
  using again = map(path);
  assertBytes(Buffer.from(again.read(0)), content);
});

test("a truncation outside a mapping is none of it", { needs }, () => {
  const { path, content } = dataFile(tempFolder(), 4 * page);
  using mapped = map(path, { offset: 5, length: page });
  fs.truncateSync(path, page + 5);
  assert.is(mapped.truncated, undefined);
  assertBytes(Buffer.from(mapped.bytes), content.subarray(5, page + 5));
});

/** Whatever a view shows now, it shows without harm. */
function touch(bytes: Uint8Array, length: number): void {
  for (let at = 0; at < length; at += 1000) {
    assert.ok(bytes[at] === undefined || bytes[at] === 0, `${bytes[at]} at ${at}`);
    bytes[at] = 3;
    bytes[at] = 0;
  }
}

for (const mode of ["read", "private", "shared"] as const)
  test(`views of a closed "${mode}" mapping are harmless (42)`, { needs }, async () => {
    const { path, content } = dataFile(tempFolder(), 8 * page);
    const views: Uint8Array[] = [];
    for (let i = 0; i < 100; i++) {
      const mapped = map(path, { mode, offset: 3 });
      views.push(mapped.bytes, mapped.window(page, 2 * page), mapped.bytes.subarray(5));
      if (i % 2 === 0) mapped.close();
      else mapped[Symbol.dispose]();
      mapped.close();
      for (const view of views.slice(-3)) touch(view, 4 * page);
    }
    assert.is(numbersOf(path).mappings, 0, "the file is let go of at once");
    assert.not.ok([...openFds().values()].includes(path));
    fs.truncateSync(path, 0);
    await collectUntil(() => true);
    for (const view of views) touch(view, 4 * page);
    assert.is(fs.statSync(path).size, 0);
    assert.is(content.length, 8 * page);
  });

test("what is written to a view of a closed mapping is not in the file", { needs }, () => {
  const { path, content } = dataFile(tempFolder(), page);
  const mapped = map(path, { mode: "shared" });
  const { bytes } = mapped;
  mapped.close();
  for (let at = 0; at < page; at++) bytes[at] = 1;
  assertBytes(fs.readFileSync(path), content);
});

test("a closed mapping refuses what needs it, and remembers what was lost", { needs }, () => {
  const { path } = dataFile(tempFolder(), page);
  const mapped = map(path, { mode: "shared" });
  fs.truncateSync(path, 10);
  mapped.close();
  const calls = [
    () => mapped.bytes,
    () => mapped.read(0),
    () => mapped.window(0),
    () => mapped.prefetch(),
    () => mapped.advise("random"),
    () => mapped.residency(),
    () => mapped.flush(),
  ];
  for (const call of calls) assert.is(codeOf(call), "ERR_SLUICE_CLOSED");
  assert.is(mapped.truncated, 10);
  assert.is(mapped.length, page);
  assert.is(
    codeOf(() => mapped.check()),
    "ERR_SLUICE_TRUNCATED",
  );
});

test("forgotten mappings are given back by the garbage collector", { needs }, async () => {
  const { path } = dataFile(tempFolder(), page);
  const forget = () => {
    for (let i = 0; i < 200; i++) {
      const mapped = map(path);
      assert.ok(mapped.bytes.length === page && mapped.window(5, 10).length === 10);
    }
  };
  forget();
  assert.ok(numbersOf(path).mappings > 0);
  await collectUntil(() => numbersOf(path).mappings === 0);
  assert.not.ok([...openFds().values()].includes(path));
});

test("a view keeps its mapping when everything else is forgotten", { needs }, async () => {
  const { path, content } = dataFile(tempFolder(), page);
  const keep = () => {
    for (let i = 0; i < 50; i++) map(path).bytes.at(0);
    return map(path).bytes.subarray(10);
  };
  const view = keep();
  await collectUntil(() => numbersOf(path).mappings === 1);
  await collectUntil(() => true);
  assertBytes(Buffer.from(view), content.subarray(10));
});

test("the addresses of closed mappings are given back by the garbage collector", { needs }, async () => {
  const { path } = dataFile(tempFolder(), page);
  const virtual = () => Number(/^VmSize:\s+(\d+) kB/m.exec(fs.readFileSync("/proc/self/status", "utf8"))?.[1]) * KiB;
  const large = join(tempFolder(), "large");
  fs.writeFileSync(large, "");
  fs.truncateSync(large, 64 * 1024 * MiB);
  map(path).close();
  const before = virtual();
  const useAndClose = () => {
    for (let i = 0; i < 32; i++) {
      using mapped = map(large);
      assert.is(mapped.window(i * MiB, 5)[0], 0);
    }
  };
  useAndClose();
  await collectUntil(() => virtual() < before + 64 * 1024 * MiB);
});

test("a WebAssembly access beyond its memory traps before, while and after files are mapped", { needs }, async () => {
  const { path } = dataFile(tempFolder(), 4 * page);
  const trapped = String(await trap());
  assert.match(trapped, /RuntimeError/);
  using mapped = map(path);
  assert.is(String(await trap()), trapped);
  fs.truncateSync(path, 0);
  assert.is(mapped.bytes[page], 0);
  assert.is(String(await trap()), trapped);
  assert.is(mapped.truncated, 0);
});

test("the guard works when WebAssembly comes after the first mapping", { needs }, async () => {
  const { path } = dataFile(tempFolder(), 4 * page);
  using mapped = map(path);
  assert.match(String(await trap()), /RuntimeError/);
  fs.truncateSync(path, 0);
  assert.is(mapped.bytes[page], 0);
  assert.match(String(await trap()), /RuntimeError/);
});

test("the guard works in several Workers at once", { needs }, async () => {
  const folder = tempFolder();
  const script = new URL("support/map-in-worker.js", import.meta.url);
  const workers = [1, 2, 3, 4].map((seed) => {
    const { path } = dataFile(folder, 3 * page, seed);
    return new Worker(script, { workerData: { path } });
  });
  for (const [{ losses, trapped }] of await Promise.all(workers.map((worker) => once(worker, "message")))) {
    assert.equal(
      losses,
      Array.from({ length: 50 }, () => page),
    );
    assert.match(trapped, /RuntimeError/);
  }
  await Promise.all(workers.map((worker) => worker.terminate()));
});

test("the mappings of a Worker that is terminated keep no descriptor", { needs }, async () => {
  const { path, content } = dataFile(tempFolder(), 3 * page);
  const open = () => [...openFds().values()].filter((what) => what.startsWith(path)).length;
  using mapped = map(path);
  const before = open();
  const worker = new Worker(new URL("support/maps-in-worker.js", import.meta.url), { workerData: { path } });
  assert.is((await once(worker, "message"))[0], 20 * (content[0] ?? 0));
  assert.is(open(), before + 20);
  await worker.terminate();
  await waitFor("the descriptors to be closed", () => open() === before);
  assert.is(mapped.bytes[1], content[1]);
});

/** A second process that truncates files. */
class Truncator {
  readonly #child: ChildProcess;
  readonly #done: AsyncIterator<string>;

  constructor() {
    const [command, ...args] = ownCommand();
    const script = fileURLToPath(new URL("support/truncate-again-and-again.js", import.meta.url));
    this.#child = spawn(command, [...args, script], { stdio: ["pipe", "pipe", "inherit"] });
    if (this.#child.stdout === null) throw new Error("There is no output to read");
    this.#done = createInterface({ input: this.#child.stdout })[Symbol.asyncIterator]();
  }

  /** Resolves when the order has arrived: nothing leaves this process while it reads memory in a loop. */
  async truncate(path: string, length: number, spins: number): Promise<void> {
    this.#child.stdin?.write(`${path} ${length} ${spins}\n`);
    await this.confirmed();
  }

  /** Resolves with the other's next line. */
  async confirmed(): Promise<void> {
    await this.#done.next();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#child.stdin?.end();
    await once(this.#child, "close");
  }
}

/** A checked copy, or undefined where some of it was lost. */
function copyOf(mapped: MappedFile, offset: number, length: number): Uint8Array | undefined {
  try {
    return mapped.read(offset, length);
  } catch (error) {
    if (error instanceof TransferError && error.code === "ERR_SLUICE_TRUNCATED") return undefined;
    throw error;
  }
}

/** Reads a mapping, over and over, until something of it is lost; no zero may pass for data until then. */
function scanUntilLost(mapped: MappedFile): number {
  const step = 16 * KiB;
  for (;;)
    for (let at = 0; at < mapped.length; at += step) {
      const zero = mapped.bytes.subarray(at, at + step).indexOf(0);
      const { truncated } = mapped;
      if (zero >= 0) assert.ok(truncated !== undefined && truncated <= at + zero, `${truncated}: zero at ${at + zero}`);
      if (truncated !== undefined) return truncated;
      const copy = copyOf(mapped, at, 10);
      if (copy === undefined) return mapped.truncated ?? -1;
      assert.is(copy.indexOf(0), -1);
    }
}

for (const mode of ["read", "shared"] as const)
  test(
    `no zero passes for data while a second process truncates ("${mode}", 42)`,
    { needs, timeoutMs: 60_000 },
    async () => {
      const path = join(tempFolder(), "file");
      const full = Buffer.alloc(4 * MiB, 0xa5);
      await using other = new Truncator();
      // The first one only starts the other process.
      fs.writeFileSync(path, full);
      await other.truncate(path, 1, 0);
      await other.confirmed();
      for (let round = 0; round < 60; round++) {
        fs.writeFileSync(path, full);
        using mapped = map(path, { mode });
        const length = (round * 977_777) % full.length;
        await other.truncate(path, length, round * 50_000);
        assert.is(scanUntilLost(mapped), length);
        await other.confirmed();
      }
    },
  );

test('a mapping with policy "lease" holds the file until it is closed', { needs }, async () => {
  const { path, content } = dataFile(tempFolder(), page);
  await using other = new Truncator();
  const mapped = map(path, { policy: "lease" });
  await other.truncate(path, 0, 0);
  const broken = await mapped.lease?.broken;
  assert.is(broken?.wanted, "write");
  assert.is(fs.statSync(path).size, page);
  assertBytes(Buffer.from(mapped.read(0)), content);
  mapped.close();
  await other.confirmed();
  assert.is(fs.statSync(path).size, 0);
});

test('policy "lease" is refused where somebody writes, and for mappings that write', { needs }, () => {
  const { path } = dataFile(tempFolder(), page);
  const writer = fs.openSync(path, "r+");
  assert.is(
    codeOf(() => map(path, { policy: "lease" })),
    "EAGAIN",
  );
  fs.closeSync(writer);
  assert.is(
    codeOf(() => map(path, { policy: "lease", mode: "shared" })),
    "ERR_SLUICE_UNSUPPORTED",
  );
  map(path, { policy: "lease", offset: 5, mode: "private" }).close();
  fs.closeSync(fs.openSync(path, "r+"));
});
