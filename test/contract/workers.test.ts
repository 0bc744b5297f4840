/** CASES.md E 71: several isolates with one engine. */
import { once } from "node:events";
import * as net from "node:net";
import { Worker } from "node:worker_threads";
import { assert, test } from "../support/contract.ts";
import { collect, sha256 } from "../support/data.ts";
import { tempFolder } from "../support/temp.ts";
import { waitFor } from "../support/wait.ts";
import { assertBytes, data, dataFile, MiB } from "./support/files.ts";

const script = new URL("support/transfer-in-worker.js", import.meta.url);

interface Sender extends Disposable {
  readonly worker: Worker;
  /** The receiving end, paused. */
  readonly peer: net.Socket;
}

/** Starts a Worker whose transfer has begun. */
async function startSender(source: string | number): Promise<Sender> {
  const server = net.createServer({ pauseOnConnect: true });
  await once(server.listen(0, "127.0.0.1"), "listening");
  const { port } = server.address() as net.AddressInfo;
  const connection = once(server, "connection") as unknown as Promise<[net.Socket]>;
  const worker = new Worker(script, { workerData: { source, port } });
  const [[peer]] = await Promise.all([connection, once(worker, "message")]);
  // Bytes are under way: koffi, which a terminated Worker must not be loading (docs/runtimes.md), is there.
  await once(peer, "readable");
  server.close();
  return { worker, peer, [Symbol.dispose]: () => void peer.destroy() };
}

test(
  "transfer() runs in several Workers at once, and outlives one that is terminated (71)",
  { needs: ["engine"] },
  async () => {
    const { path, content } = dataFile(tempFolder(), 24 * MiB);
    const senders = await Promise.all([1, 2, 3].map(() => startSender(path)));
    const [doomed, ...others] = senders as [Sender, ...Sender[]];
    await doomed.worker.terminate();
    for (const { worker, peer } of others) {
      const done = once(worker, "message");
      assert.is(sha256(await collect(peer.resume())), sha256(content));
      assert.equal((await done)[0], { bytes: content.length, strategy: "sendfile" });
    }
    for (const sender of senders) sender[Symbol.dispose]();
  },
);

test(
  "a Worker that is terminated in mid-transfer leaves its connection closed (71)",
  { needs: ["engine"] },
  async () => {
    const { path } = dataFile(tempFolder(), 24 * MiB);
    using sender = await startSender(path);
    await sender.worker.terminate();
    // What was in the sockets arrives, and then the end: nobody holds a duplicate of the connection.
    sender.peer.on("error", () => undefined);
    let bytes = 0;
    sender.peer.on("data", (chunk: Buffer) => (bytes += chunk.length));
    const closed = new Promise((resolve) => sender.peer.once("close", resolve));
    sender.peer.resume();
    await closed;
    assert.ok(bytes < 24 * MiB, `${bytes} bytes arrived`);
  },
);

test("a Worker's memory is sent by the Worker, and nothing else is where it is terminated", {}, async () => {
  const content = data(8 * MiB);
  using whole = await startSender(content.length);
  const told = once(whole.worker, "message");
  assertBytes(await collect(whole.peer.resume()), content);
  assert.equal((await told)[0], { bytes: content.length, strategy: "portable" });
  using cut = await startSender(content.length);
  await cut.worker.terminate();
  const chunks: Buffer[] = [];
  cut.peer.on("error", () => undefined).on("data", (chunk: Buffer) => void chunks.push(chunk));
  cut.peer.resume();
  // Deno leaves the connection of such a Worker open: it is waited until nothing more comes, not for its end.
  let before = -1;
  await waitFor("nothing more to come", async () => {
    const come = cut.peer.bytesRead;
    const isStill = come === before;
    before = come;
    await new Promise((resolve) => setTimeout(resolve, 200));
    return isStill;
  });
  const received = Buffer.concat(chunks);
  assertBytes(received, content.subarray(0, received.length));
});
