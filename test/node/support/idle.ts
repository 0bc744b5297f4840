/** Uses the library in one way and returns; whether the process then ends is the test. Prints nothing. */
import { once } from "node:events";
import { connect, createServer, type AddressInfo } from "node:net";
import process from "node:process";
import { capabilities, transfer } from "sluice";

async function sendToSocket(): Promise<void> {
  const server = createServer((socket) => socket.resume()).listen(0, "127.0.0.1");
  await once(server, "listening");
  const socket = connect((server.address() as AddressInfo).port, "127.0.0.1");
  await transfer(process.execPath, socket);
  socket.end();
  server.close();
}

const uses: Readonly<Record<string, () => unknown>> = {
  import: () => undefined,
  capabilities: () => capabilities(),
  file: () => transfer(process.execPath, "/dev/null"),
  socket: sendToSocket,
};
await uses[process.argv[2] ?? ""]?.();
