/** pipeline() in its three forms, and pipe() without it, by sluice/stream as by node:stream. */
import * as fs from "node:fs";
import { once } from "node:events";
import { join } from "node:path";
import { Readable, type Writable } from "node:stream";
import type streamPromises from "node:stream/promises";
import { promisify } from "node:util";
import * as sluicePromises from "sluice/stream/promises";
import { assert, test } from "../support/contract.ts";
import { collect, digest } from "../support/data.ts";
import { takeFdCensus } from "../support/fds.ts";
import { tempFolder } from "../support/temp.ts";
import { connect } from "./support/connection.ts";
import { assertBytes, dataFile, MiB } from "./support/files.ts";
import {
  assertAlike,
  assertTaken,
  closed,
  eventsOf,
  factsOf,
  stateOfSource,
  stateOfTarget,
  take,
  type Way,
} from "./support/streams.ts";

const engine = { needs: ["engine"] } as const;
const { path, content } = dataFile(tempFolder(), 8 * MiB);

type Run = (source: Readable, target: Writable, signal?: AbortSignal) => Promise<void>;

/** The forms of a way's pipeline, each as a function that returns a promise. */
const forms: Readonly<Record<string, (way: Way) => Run>> = {
  callback: (way) => (source, target) =>
    new Promise((resolve, reject) =>
      way.pipeline(source, target, (error?: Error | null) => (error ? reject(error) : resolve())),
    ),
  "list of streams": (way) => (source, target) =>
    new Promise((resolve, reject) =>
      way.pipeline([source, target], (error?: Error | null) => (error ? reject(error) : resolve())),
    ),
  promisified: (way) => (source, target, signal) =>
    signal === undefined
      ? promisify(way.pipeline)(source, target)
      : (promisify(way.pipeline) as unknown as typeof streamPromises.pipeline)(source, target, { signal }),
  promise: (way) => (source, target, signal) =>
    signal === undefined ? way.promises.pipeline(source, target) : way.promises.pipeline(source, target, { signal }),
};

/** Of a promise that rejects, what can be told from the error. */
const failing = (promise: Promise<unknown>): Promise<unknown> => promise.then(() => "fulfilled", factsOf);

for (const [form, make] of Object.entries(forms)) {
  test(`pipeline() by ${form} to a socket is told of as by node:stream`, engine, async () => {
    await assertAlike(async (way) => {
      using link = await connect();
      const { socket, peer } = link;
      const received = collect(peer);
      const source = way.createReadStream(path);
      const events = { source: eventsOf(source), target: eventsOf(socket) };
      await make(way)(source, socket);
      assertBytes(await received, content);
      peer.end();
      await Promise.all([closed(source), closed(socket)]);
      assertTaken(way, source, content.length);
      return { events, source: stateOfSource(source), target: stateOfTarget(socket) };
    });
  });

  test(`pipeline() by ${form} to a file is told of as by node:stream`, engine, async () => {
    const into = join(tempFolder(), "into");
    await assertAlike(async (way) => {
      const source = way.createReadStream(path);
      const target = fs.createWriteStream(into);
      const events = { source: eventsOf(source), target: eventsOf(target) };
      await make(way)(source, target);
      await Promise.all([closed(source), closed(target)]);
      assertTaken(way, source, content.length);
      assertBytes(fs.readFileSync(into), content);
      return { events, source: stateOfSource(source), target: stateOfTarget(target) };
    });
  });

  test(`pipeline() by ${form} of a missing file rejects as with node:stream`, engine, async () => {
    await assertAlike(async (way) => {
      using link = await connect();
      const source = way.createReadStream("/nowhere/at/all");
      const error = await failing(make(way)(source, link.socket));
      return { error, destroyed: [source.destroyed, link.socket.destroyed] };
    });
  });

  test(`pipeline() by ${form} whose reader goes away rejects`, engine, async () => {
    await assertAlike(async (way) => {
      using link = await connect();
      const source = way.createReadStream(path);
      const running = failing(make(way)(source, link.socket)) as Promise<{ code: string }>;
      await take(link.peer, 1000);
      link.peer.resetAndDestroy();
      const { code } = await running;
      assert.ok(["ECONNRESET", "EPIPE", "ERR_STREAM_PREMATURE_CLOSE"].includes(code), code);
      await closed(source);
      return { destroyed: [source.destroyed, link.socket.destroyed], ended: source.readableEnded };
    });
  });

  test(`pipeline() by ${form} whose source is destroyed rejects as with node:stream`, engine, async () => {
    await assertAlike(async (way) => {
      using link = await connect();
      const source = way.createReadStream(path);
      const running = failing(make(way)(source, link.socket));
      await take(link.peer, 1000);
      source.destroy();
      const error = await running;
      await closed(source);
      return { error, destroyed: [source.destroyed, link.socket.destroyed], ended: source.readableEnded };
    });
  });
}

for (const form of ["promisified", "promise"]) {
  for (const [when, abort] of [
    ["before", async (_link: unknown, controller: AbortController) => controller.abort()],
    [
      "during",
      async ({ peer }: { peer: Readable }, controller: AbortController) => {
        await take(peer, MiB);
        controller.abort(new RangeError("enough"));
      },
    ],
  ] as const) {
    test(`pipeline() by ${form} that is aborted ${when} rejects as with node:stream`, engine, async () => {
      await assertAlike(async (way) => {
        using link = await connect();
        const controller = new AbortController();
        const source = way.createReadStream(path);
        const { signal } = controller;
        const run = forms[form];
        if (run === undefined) throw new Error("no such form");
        if (when === "before") await abort(link, controller);
        const running = failing(run(way)(source, link.socket, signal));
        if (when === "during") await abort(link, controller);
        const error = await running;
        await closed(source);
        return { error, destroyed: [source.destroyed, link.socket.destroyed], ended: source.readableEnded };
      });
    });
  }
}

test("pipeline() that is aborted leaves no descriptor behind", { alone: true, needs: ["engine", "proc"] }, async () => {
  const run = () =>
    assertAlike(async (way) => {
      using link = await connect();
      const controller = new AbortController();
      const source = way.createReadStream(path);
      const running = failing(way.promises.pipeline(source, link.socket, { signal: controller.signal }));
      await take(link.peer, MiB);
      controller.abort();
      await running;
      await closed(source);
    });
  await run();
  const census = await takeFdCensus();
  await run();
  await census.assertUnchanged();
});

test("pipeline() with end false leaves the socket open", engine, async () => {
  await assertAlike(async (way) => {
    using link = await connect();
    const received = collect(link.peer);
    const source = way.createReadStream(path);
    await way.promises.pipeline(source, link.socket, { end: false });
    assert.not.ok(link.socket.writableEnded);
    link.socket.end("more");
    assertBytes(await received, Buffer.concat([content, Buffer.from("more")]));
    await closed(source);
    return { source: stateOfSource(source), listeners: link.socket.listenerCount("close") };
  });
});

test("pipeline() from a socket to a file keeps every byte", engine, async () => {
  const into = join(tempFolder(), "into");
  await assertAlike(async (way) => {
    using link = await connect();
    const target = fs.createWriteStream(into);
    link.peer.end(content);
    await way.promises.pipeline(link.socket, target);
    assertBytes(fs.readFileSync(into), content);
    return { read: link.socket.bytesRead, target: stateOfTarget(target) };
  });
});

test("pipeline() of another stream, a function and a socket is node:stream's own", engine, async () => {
  await assertAlike(async (way) => {
    using link = await connect();
    const received = collect(link.peer);
    await way.promises.pipeline(
      Readable.from(["a", "b", "c"]),
      async function* upper(chunks: AsyncIterable<string>) {
        for await (const chunk of chunks) yield chunk.toUpperCase();
      },
      link.socket,
    );
    return (await received).toString();
  });
});

test("pipeline() of a file to a function that reads it is node:stream's own", engine, async () => {
  await assertAlike(async (way) => {
    const source = way.createReadStream(path);
    const bytes = await way.promises.pipeline(source, async (chunks: AsyncIterable<Uint8Array>) => digest(chunks));
    await closed(source);
    return { bytes, source: stateOfSource(source) };
  });
});

test("sluice/stream/promises has node:stream/promises' functions", engine, async () => {
  assert.equal(Object.keys(sluicePromises).sort(), ["finished", "pipeline"]);
  using link = await connect();
  const received = digest(link.peer);
  const source = fs.createReadStream(path);
  await sluicePromises.pipeline(source, link.socket);
  assert.is((await received).bytes, content.length);
  await sluicePromises.finished(source);
});

test("an AbortSignal of createReadStream() ends a hand-over", engine, async () => {
  await assertAlike(async (way) => {
    using link = await connect();
    const controller = new AbortController();
    const source = way.createReadStream(path, { signal: controller.signal });
    const events = eventsOf(source);
    const error = once(source, "error");
    way.pipe(source, link.socket, { end: false });
    await take(link.peer, MiB);
    controller.abort();
    const [thrown] = (await error) as [Error];
    await closed(source);
    return { events, error: factsOf(thrown), destroyed: link.socket.destroyed };
  });
});
