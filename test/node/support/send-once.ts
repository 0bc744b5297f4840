/** Sends a file over TCP and prints what this runtime, with these flags, made of it. Needs to read the file and 127.0.0.1, nothing else. */
import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";
import process from "node:process";
import { capabilities, transfer } from "sluice";
import { digest } from "../../support/data.ts";

const [path = ""] = process.argv.slice(2);
const server = createServer();
await once(server.listen(0, "127.0.0.1"), "listening");
const accepted = once(server, "connection") as unknown as Promise<[Socket]>;
const peer = connect((server.address() as AddressInfo).port, "127.0.0.1");
const [socket] = await accepted;
server.close();

const received = digest(peer);
const forced = await transfer(path, socket, { strategy: "splice", length: 0 }).then(
  () => "done",
  (error: Error & { code?: string }) => error.code,
);
const { strategy } = await transfer(path, socket);
socket.end();
console.log(JSON.stringify({ engine: capabilities().engine, strategy, forced, ...(await received) }));
