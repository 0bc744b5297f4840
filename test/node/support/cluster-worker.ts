/** A cluster worker that answers every connection with FILE. */
import { createServer } from "node:net";
import process from "node:process";
import { transfer } from "sluice";

const file = process.argv[2] ?? "";
createServer((socket) => {
  transfer(file, socket).then(
    () => socket.end(),
    (error: unknown) => {
      throw error;
    },
  );
}).listen(0, "127.0.0.1");
