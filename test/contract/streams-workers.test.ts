/** Streams of Workers: each isolate has its own hand-overs, and one that is terminated leaves nothing behind. */
import { once } from "node:events";
import * as net from "node:net";
import process from "node:process";
import { Worker } from "node:worker_threads";
import { assert, test } from "../support/contract.ts";
import { collect } from "../support/data.ts";
import { tempFolder } from "../support/temp.ts";
import { waitFor } from "../support/wait.ts";
import { openFds } from "./support/descriptors.ts";
import { assertBytes, dataFile, MiB } from "./support/files.ts";

const script = new URL("support/pipe-in-worker.js", import.meta.url);

/** A Worker that has begun to pipe the file to the peer, which stands still. */
async function begin(path: string): Promise<{ worker: Worker; peer: net.Socket }> {
  const server = net.createServer({ pauseOnConnect: true }).listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as net.AddressInfo;
  const accepted = once(server, "connection") as unknown as Promise<[net.Socket]>;
  const worker = new Worker(script, { workerData: { path, port } });
  const [[peer]] = await Promise.all([accepted, once(worker, "message")]);
  // Bytes are under way: koffi, which a terminated Worker must not be loading (docs/runtimes.md), is there.
  await once(peer, "readable");
  server.close();
  return { worker, peer };
}

test("a Worker's stream arrives whole", { needs: ["engine"] }, async () => {
  const { path, content } = dataFile(tempFolder(), 32 * MiB);
  const { worker, peer } = await begin(path);
  assertBytes(await collect(peer.resume()), content);
  await worker.terminate();
});

test(
  "a Worker that is terminated mid-way closes its file and its connection",
  { needs: ["engine", "proc"] },
  async () => {
    const { path, content } = dataFile(tempFolder(), 32 * MiB);
    const others = await begin(path);
    const doomed = await begin(path);
    await doomed.worker.terminate();
    const gone = once(doomed.peer.on("error", () => undefined).resume(), "close");
    await gone;
    assert.ok(doomed.peer.bytesRead < content.length);
    assertBytes(await collect(others.peer.resume()), content);
    await others.worker.terminate();
    // Bun itself leaves open what a terminated Worker had opened.
    if (process.versions["bun"] === undefined)
      await waitFor("the files to be closed", () => ![...openFds().values()].includes(path));
  },
);
