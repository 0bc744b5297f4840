/** Transfers as a user who may have no more threads, and again when it may: a line of JSON about each report. */
import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { connect } from "node:net";
import process from "node:process";
import { createInterface } from "node:readline";
import { capabilities, transfer } from "sluice";

const [path = "", target = "", port = "0"] = process.argv.slice(2);
const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]();

// The runtime's own threads are there from now on: it would end without them.
await Promise.all(Array.from({ length: 8 }, () => readFile(path)));
capabilities();
const socket = connect(Number(port), "127.0.0.1");
await once(socket, "connect");
process.setuid?.(61_236);

async function tell(): Promise<void> {
  const forced = await transfer(path, target, { strategy: "buffered" }).then(
    ({ strategy }) => strategy,
    (error: { code: string; syscall: string }) => [error.code, error.syscall],
  );
  const reports = [await transfer(path, target), await transfer(path, socket)];
  const told = reports.map(({ bytes, strategy, attempts }) => ({ bytes, strategy, first: attempts[0]?.reason }));
  console.log(JSON.stringify([forced, ...told]));
}

console.log("ready");
while (!(await lines.next()).done) await tell();
process.exit(0);
