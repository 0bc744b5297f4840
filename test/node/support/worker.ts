/** Sends a file over a connection within a worker thread; posts its hash, or "stalled" where the peer doesn't read. */
import { parentPort, workerData } from "node:worker_threads";
import { transfer } from "sluice";
import { arrivals, connect, readExactly } from "../../contract/support/connection.ts";
import { sha256 } from "../../support/data.ts";

const { path, stall } = workerData as { readonly path: string; readonly stall: boolean };

if (stall) {
  const links = await Promise.all([connect(), connect(), connect()]);
  const sending = Promise.all(links.map(({ socket }) => transfer(path, socket)));
  await Promise.all(links.map(({ peer }) => readExactly(peer, 1)));
  parentPort?.postMessage("stalled");
  await sending;
} else {
  const { received } = await arrivals((socket) => transfer(path, socket));
  parentPort?.postMessage(sha256(received));
}
