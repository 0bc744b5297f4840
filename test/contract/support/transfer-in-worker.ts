/** A Worker that sends a file, or so many bytes of memory, to a port and tells of the start and the end. */
import { once } from "node:events";
import * as net from "node:net";
import { parentPort, workerData } from "node:worker_threads";
import { transfer } from "sluice";
import { data } from "./files.ts";

const { source, port } = workerData as { readonly source: string | number; readonly port: number };
const socket = net.connect({ port, host: "127.0.0.1" });
await once(socket, "connect");
const sending = transfer(typeof source === "string" ? source : data(source), socket);
parentPort?.postMessage("started");
const { bytes, strategy } = await sending;
socket.end();
parentPort?.postMessage({ bytes, strategy });
