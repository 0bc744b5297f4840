/** `path` and `dest` of a TransferError: the paths of the call, as errors of node:fs have them. */
import { truncateSync } from "node:fs";
import { join } from "node:path";
import { Readable } from "node:stream";
import { pathToFileURL } from "node:url";
import { copyFile, explain, lease, map, openFile, openRing, tee, TeeError, transfer, TransferError } from "sluice";
import { file as fileResponse, serve } from "sluice/fetch";
import { instantiateFallback, instantiatePlugin } from "sluice/wasi";
import { assert, test } from "../support/contract.ts";
import { tempFolder } from "../support/temp.ts";
import { connect } from "./support/connection.ts";
import { data, dataFile, MiB } from "./support/files.ts";
import { waitFor } from "../support/wait.ts";
import { failure } from "./support/outcome.ts";

const folder = tempFolder();
const missing = join(folder, "missing");
const { path: file } = dataFile(folder, 100);
/** Nothing can be made there, or opened for writing. */
const nowhere = join(folder, "no", "such", "folder");

const pathsOf = ({ path, dest }: TransferError) => ({ path, dest });

function thrown(call: () => unknown): TransferError {
  try {
    call();
  } catch (error) {
    if (error instanceof TransferError) return error;
    throw error;
  }
  throw new Error("Nothing was thrown");
}

const memory = data(10);

/** What is called, and the paths that its failure tells. */
const calls: Readonly<Record<string, readonly [() => Promise<unknown>, string | undefined, string | undefined]>> = {
  "transfer() of a missing path": [() => transfer(missing, join(folder, "target")), missing, join(folder, "target")],
  "transfer() of URLs": [
    () => transfer(pathToFileURL(missing), pathToFileURL(join(folder, "target"))),
    missing,
    join(folder, "target"),
  ],
  "transfer() to a path in no folder": [() => transfer(file, nowhere), file, nowhere],
  "transfer() of memory": [() => transfer(memory, nowhere), undefined, nowhere],
  "transfer() of a descriptor": [() => transfer(-1, nowhere), undefined, nowhere],
  "transfer() by an atomic target": [() => transfer(file, nowhere, { atomic: true }), file, nowhere],
  "transfer() of a snapshot": [() => transfer(missing, nowhere, { consistency: "snapshot" }), missing, nowhere],
  "transfer() that is aborted": [
    () => transfer(file, join(folder, "target"), { signal: AbortSignal.abort() }),
    file,
    join(folder, "target"),
  ],
  "transfer() that is refused": [() => transfer(folder, join(folder, "target")), folder, join(folder, "target")],
  "explain()": [() => explain(missing, nowhere), missing, nowhere],
  "copyFile() of a missing path": [() => copyFile(missing, nowhere), missing, nowhere],
  "copyFile() to a path in no folder": [() => copyFile(file, nowhere), file, nowhere],
  "copyFile() of a folder": [() => copyFile(folder, nowhere), folder, nowhere],
  "copyFile() onto what is there": [() => copyFile(file, file, { overwrite: false }), file, file],
  "openFile()": [() => openFile(missing), missing, undefined],
  "openFile() of a folder": [() => openFile(pathToFileURL(folder)), folder, undefined],
  "lease()": [() => lease(missing, "read"), missing, undefined],
  "lease() of a folder": [() => lease(folder, "read"), folder, undefined],
  "map()": [async () => map(missing), missing, undefined],
  "map() of a folder": [async () => map(folder), folder, undefined],
  "map() of a descriptor": [async () => map(-1), undefined, undefined],
};

for (const [name, [call, path, dest]] of Object.entries(calls))
  test(`paths of a failure: ${name}`, { needs: [] }, async () => {
    assert.equal(pathsOf(await failure(call)), { path, dest });
  });

test("paths of a failure: one that came midway keeps what it tells", { needs: [] }, async () => {
  using link = await connect();
  link.peer.destroy();
  link.socket.destroy();
  const error = await failure(() => transfer(file, link.socket));
  assert.equal(pathsOf(error), { path: file, dest: undefined });
  assert.is(error.bytesTransferred, 0);
  assert.match(error.stack ?? "", error.message);
});

test("paths of a failure: openRing()", { needs: ["engine"] }, async () => {
  assert.is((await failure(() => openRing(missing))).path, missing);
  assert.is((await failure(() => openRing(file))).path, file);
});

test("paths of a failure: a channel's", { needs: [] }, async () => {
  const other = join(folder, "other");
  const channel = await openFile(file);
  const writing = await openFile(other, "w");
  assert.equal(pathsOf(await failure(() => channel.write(data(1), 0))), { path: file, dest: undefined });
  assert.equal(pathsOf(await failure(() => channel.transferTo(0, 10, nowhere))), { path: file, dest: nowhere });
  assert.equal(pathsOf(await failure(() => writing.transferFrom(missing, 0, 10))), { path: missing, dest: other });
  const signal = AbortSignal.abort();
  assert.equal(pathsOf(await failure(() => channel.transferTo(0, 10, writing, { signal }))), {
    path: file,
    dest: other,
  });
  assert.equal(pathsOf(await failure(() => writing.transferFrom(channel, 0, 10, { signal }))), {
    path: file,
    dest: other,
  });
  assert.equal(pathsOf(thrown(() => writing.map())), { path: other, dest: undefined });
  await Promise.all([channel.close(), writing.close()]);
  assert.equal(pathsOf(await failure(() => channel.read(new Uint8Array(1), 0))), { path: file, dest: undefined });
});

test("paths of a failure: a mapping's", { needs: [] }, async () => {
  const mapping = map(file);
  assert.is(thrown(() => mapping.flush()).path, file);
  mapping.close();
  assert.is(thrown(() => mapping.read(0, 1)).path, file);
});

test("paths of a failure: tee() tells each target its own", { needs: [] }, async () => {
  const good = join(folder, "good");
  const { targets } = await tee(file, [good, nowhere]);
  assert.equal(
    targets.map(({ error }) => error && pathsOf(error)),
    [undefined, { path: file, dest: nowhere }],
  );
  const error = await failure(() => tee(file, [nowhere, good], { onFailure: "end" }));
  assert.ok(error instanceof TeeError);
  assert.equal(pathsOf(error), { path: file, dest: nowhere });
  assert.is((await failure(() => tee(missing, [good]))).path, missing);
});

test(
  "paths of a failure: a stream that breaks off has none, and each target of a tee its own",
  { needs: [] },
  async () => {
    const targets = [join(folder, "one"), join(folder, "two")];
    const source = () =>
      new Readable({
        read() {
          this.push(data(10));
          this.destroy(new Error("broken"));
        },
      });
    const error = await failure(() => tee(source(), targets, { atomic: true }));
    assert.ok(error instanceof TeeError);
    assert.equal(pathsOf(error), { path: undefined, dest: undefined });
    assert.equal(
      error.report.targets.map((target) => target.error && pathsOf(target.error)),
      targets.map((dest) => ({ path: undefined, dest })),
    );
    assert.equal(pathsOf(await failure(() => transfer(Readable.from([data(10)], { objectMode: false }), nowhere))), {
      path: undefined,
      dest: nowhere,
    });
  },
);

test("paths of a failure: file()'s, whoever reads the body", { needs: [] }, async () => {
  const root = tempFolder();
  const { path } = dataFile(root, 2 * MiB);
  for (const given of [root, pathToFileURL(root)]) {
    truncateSync(path, 2 * MiB);
    const response = await fileResponse(new Request("http://localhost/"), path.slice(root.length), { root: given });
    truncateSync(path, 1000);
    const error = await failure(() => response.arrayBuffer());
    assert.is(error.code, "ERR_SLUICE_TRUNCATED");
    assert.equal(pathsOf(error), { path, dest: undefined });
  }
});

test("paths of a failure: serve() tells its onError which file was cut", { needs: [] }, async () => {
  const root = tempFolder();
  const { path } = dataFile(root, 2 * MiB);
  let told: unknown;
  await using server = await serve({
    hostname: "127.0.0.1",
    async fetch(request) {
      const response = await fileResponse(request, path.slice(root.length), { root });
      truncateSync(path, 1000);
      return response;
    },
    onError: (error) => void (told = error),
  });
  await fetch(server.url).then(
    (response) => response.arrayBuffer().catch(() => undefined),
    () => undefined,
  );
  await waitFor("the failure", () => told !== undefined);
  assert.instance(told, TransferError);
  assert.is((told as TransferError).code, "ERR_SLUICE_TRUNCATED");
  assert.equal(pathsOf(told as TransferError), { path, dest: undefined });
});

test("paths of a failure: a file that has no end", { needs: ["root"] }, async () => {
  const path = "/proc/kpageflags";
  const error = await failure(() => fileResponse(new Request("http://localhost/"), path, { root: "/" }));
  assert.equal(pathsOf(error), { path, dest: undefined });
});

for (const [name, make] of Object.entries({ fallback: instantiateFallback, plugin: instantiatePlugin }))
  test(`paths of a failure: ${name}'s are the guest's`, { needs: ["engine"] }, async () => {
    const guest = await make({ roots: { "/data": { path: folder, write: true } } });
    const [path, dest] = ["/data/missing", "/data/no/such/folder"];
    for (const call of ["transfer", "copyFile", "explain"] as const)
      for (const source of [path, "/elsewhere"])
        assert.equal(pathsOf(thrown(() => guest[call](source, dest))), { path: source, dest });
    guest.close();
    assert.equal(pathsOf(thrown(() => guest.transfer(path, dest))), { path, dest });
  });
