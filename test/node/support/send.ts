/**
 * Sends a file over connections to a port, as a child process of tests: `FILE PORT COUNT`.
 * Prints "started" and, once all are through, the reports' bytes as JSON.
 */
import { once } from "node:events";
import { connect } from "node:net";
import process from "node:process";
import { transfer } from "sluice";

const [file = "", port, count] = process.argv.slice(2);

async function send(): Promise<number> {
  const socket = connect(Number(port), "127.0.0.1");
  await once(socket, "connect");
  const { bytes } = await transfer(file, socket);
  socket.end();
  return bytes;
}

const sending = Array.from({ length: Number(count) }, send);
console.log("started");
console.log(JSON.stringify(await Promise.all(sending)));
