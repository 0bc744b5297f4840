/** Pipes a file to a port of this machine in a Worker, by sluice/stream; says "begun" when bytes have been taken. */
import { once } from "node:events";
import * as net from "node:net";
import { parentPort, workerData } from "node:worker_threads";
import { createReadStream, pipe } from "sluice/stream";

const { path, port } = workerData as { readonly path: string; readonly port: number };
const socket = net.connect(port, "127.0.0.1");
await once(socket, "connect");
const source = createReadStream(path);
source.once("open", () => setTimeout(() => parentPort?.postMessage("begun"), 50));
pipe(source, socket);
