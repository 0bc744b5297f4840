/** The entry for runtimes with neither FFI nor files, over web streams. */
import { readFileSync } from "node:fs";
import { pathToFileURL } from "node:url";
import { createContext, runInContext } from "node:vm";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { capabilities, copyFile, explain, type Source, transfer, TransferError } from "#adapters/portable.js";
import { root } from "../support/root.ts";

interface Sink {
  readonly stream: WritableStream<Uint8Array>;
  readonly text: () => string;
}

function sink(): Sink {
  const chunks: Uint8Array[] = [];
  const stream = new WritableStream<Uint8Array>({ write: (chunk) => void chunks.push(chunk) });
  return { stream, text: () => Buffer.concat(chunks).toString() };
}

async function failure(promise: Promise<unknown>): Promise<TransferError> {
  const error = await promise.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  assert.instance(error, TransferError);
  return error as TransferError;
}

const bytes = new TextEncoder().encode("0123456789");
const sources: Readonly<Record<string, () => Source>> = {
  "a Uint8Array": () => bytes,
  "a Blob": () => new Blob([bytes]),
};

for (const [name, make] of Object.entries(sources)) {
  test(`transfer() moves a range of ${name}`, async () => {
    const { stream, text } = sink();
    const report = await transfer(make(), stream, { offset: 2, length: 5 });
    assert.is(text(), "23456");
    assert.is(report.bytes, 5);
    assert.is(report.strategy, "portable");
    assert.is(report.copied, "yes");
    assert.not(stream.locked);
  });

  test(`transfer() cuts a range past the end of ${name}`, async () => {
    const { stream, text } = sink();
    assert.is((await transfer(make(), stream, { offset: 8, length: 100 })).bytes, 2);
    assert.is(text(), "89");
  });
}

test("transfer() moves a stream to its end and leaves both streams unlocked", async () => {
  const { stream, text } = sink();
  const source = new Blob([bytes]).stream();
  assert.is((await transfer(source, stream)).bytes, 10);
  assert.is(text(), "0123456789");
  assert.not(source.locked);
});

test("transfer() refuses an offset into a stream", async () => {
  const error = await failure(transfer(new Blob([bytes]).stream(), sink().stream, { offset: 1 }));
  assert.is(error.code, "ESPIPE");
});

test("transfer() aborts a read that waits and leaves the source usable", async () => {
  const abort = new AbortController();
  let feed: ReadableStreamDefaultController<Uint8Array> | undefined;
  const source = new ReadableStream<Uint8Array>({ start: (controller) => void (feed = controller) });
  const { stream, text } = sink();
  const sending = failure(transfer(source, stream, { signal: abort.signal }));
  feed?.enqueue(bytes);
  await new Promise((resolve) => setTimeout(resolve, 10));
  abort.abort();
  const error = await sending;
  assert.is(error.name, "AbortError");
  assert.is(error.bytesTransferred, 10);
  assert.is(text(), "0123456789");
  feed?.enqueue(new TextEncoder().encode("later"));
  const { value } = await source.getReader().read();
  assert.is(Buffer.from(value ?? []).toString(), "later");
});

test("transfer() tells what a target that fails had taken", async () => {
  let written = 0;
  const stream = new WritableStream<Uint8Array>({
    write() {
      if (written++ > 0) throw Object.assign(new Error("gone"), { code: "EPIPE" });
    },
  });
  const source = new ReadableStream<Uint8Array>({
    pull: (controller) => controller.enqueue(bytes),
  });
  const error = await failure(transfer(source, stream));
  assert.is(error.code, "EPIPE");
  assert.is(error.bytesTransferred, 10);
});

test("a native mechanism, fallback: false and copyFile() are refused with a code", async () => {
  for (const promise of [
    transfer(bytes, sink().stream, { strategy: "sendfile" }),
    transfer(bytes, sink().stream, { fallback: false }),
    copyFile("a", "b"),
  ])
    assert.is((await failure(promise)).code, "ERR_SLUICE_UNSUPPORTED");
});

test("capabilities() and explain() say that only the portable path is there", async () => {
  const report = capabilities();
  assert.is(report.engine.available, false);
  for (const [name, { ability }] of Object.entries(report.strategies))
    assert.is(ability, name === "portable" ? "yes" : "no", name);
  const { candidates } = await explain(bytes, sink().stream);
  assert.equal(
    candidates.map(({ strategy }) => strategy),
    ["portable"],
  );
});

test("the bundle for other hosts runs where there are web streams and nothing of Node's", async () => {
  const source = readFileSync(new URL("dist/lib/portable.js", pathToFileURL(`${root}/`)), "utf8");
  // What workerd and browsers have of what it may use. No process, no Buffer, no require.
  const web = { ReadableStream, WritableStream, TransformStream, Blob, AbortController, AbortSignal, DOMException };
  const others = { TextEncoder, TextDecoder, performance, queueMicrotask, setTimeout, clearTimeout };
  const context = createContext({ ...web, ...others, told: undefined });
  // An ES module in a context takes a flag of Node's: its exports are returned from a function instead.
  const exported = /export\s*\{([^}]*)\}\s*;?\s*(?:\/\/#.*)?\s*$/.exec(source);
  const names = (exported?.[1] ?? "").split(",").map((one) => one.trim().replace(/^(\S+) as (\S+)$/, "$2: $1"));
  const body = source.slice(0, exported?.index).replace(/^export (?=const|function|class|async|var|let)/gm, "");
  const sluice = runInContext(`(() => {${body}\nreturn { ${names.join(", ")} };})()`, context) as {
    readonly transfer: typeof transfer;
    readonly explain: typeof explain;
    readonly capabilities: typeof capabilities;
  };
  const { stream, text } = sink();
  const stated = new ReadableStream<Uint8Array>({
    start(controller) {
      for (const part of ["0123", "4567", "89"]) controller.enqueue(new TextEncoder().encode(part));
      controller.close();
    },
  });
  const report = await sluice.transfer(stated, stream, { length: 7 });
  assert.is(text(), "0123456");
  assert.is(report.bytes, 7);
  assert.is(report.strategy, "portable");
  assert.is(report.copied, "yes");
  assert.is(sluice.capabilities().engine.available, false);
  assert.is(runInContext("typeof process + typeof require + typeof Buffer", context), "undefined".repeat(3));
});

test.run();
