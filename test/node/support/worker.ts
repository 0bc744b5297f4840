/** What a worker thread does with a file: see {@link Work}. */
import { parentPort, workerData } from "node:worker_threads";
import { transfer } from "sluice";
import { arrivals, connect, readExactly } from "../../contract/support/connection.ts";
import { sha256 } from "../../support/data.ts";

const { path, work } = workerData as { readonly path: string; readonly work: Work };

async function send(): Promise<void> {
  const { received } = await arrivals((socket) => transfer(path, socket));
  parentPort?.postMessage(sha256(received));
}

const works = {
  /** Sends it over a connection and posts its hash. */
  send,
  /** The same, for ever. */
  async repeat() {
    for (;;) await send();
  },
  /** Sends it to three that don't read, and posts "stalled". */
  async stall() {
    const links = await Promise.all([connect(), connect(), connect()]);
    const sending = Promise.all(links.map(({ socket }) => transfer(path, socket)));
    await Promise.all(links.map(({ peer }) => readExactly(peer, 1)));
    parentPort?.postMessage("stalled");
    await sending;
  },
  /** Has imported sluice, and waits. */
  wait: () => new Promise(() => setInterval(() => {}, 1000)),
};

export type Work = keyof typeof works;

await works[work]();
