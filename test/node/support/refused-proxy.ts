/** Without the engine: prints the code of a proxy() that is refused, and what arrives through the same sockets then. */
import { once } from "node:events";
import { connect, createServer, type Socket } from "node:net";
import type { AddressInfo } from "node:net";
import { proxy } from "sluice";

const server = createServer({ allowHalfOpen: false }).listen(0, "127.0.0.1");
await once(server, "listening");
const { port } = server.address() as AddressInfo;

async function open(): Promise<readonly [Socket, Socket]> {
  const accepted = once(server, "connection") as Promise<Socket[]>;
  const peer = connect(port, "127.0.0.1");
  const [socket] = await accepted;
  if (socket === undefined) throw new Error("There is one");
  return [socket, peer];
}

const [a, client] = await open();
const [b, backend] = await open();
server.close();
const heard: string[] = [];
a.on("data", (chunk: Buffer) => heard.push(chunk.toString()));
client.write("before ");
const code = await proxy(a, b, { fallback: false }).then(
  () => "resolved",
  (error: { code: string }) => error.code,
);
client.end("after");
await once(a, "end");
b.end("as it was");
const [answer] = (await once(backend, "data")) as [Buffer];
console.log(JSON.stringify({ code, heard: heard.join(""), answer: answer.toString(), halfOpen: a.allowHalfOpen }));
