/** A TCP proxy as everybody writes it: node pipe.js UPSTREAM_PORT */
import { type AddressInfo, connect, createServer } from "node:net";

const upstream = Number(process.argv[2]);
const server = createServer({ allowHalfOpen: true, noDelay: true }, (client) => {
  const target = connect({ port: upstream, host: "127.0.0.1", allowHalfOpen: true, noDelay: true });
  client.pipe(target);
  target.pipe(client);
  client.on("error", () => target.destroy());
  target.on("error", () => client.destroy());
});
server.listen(0, "127.0.0.1", () => console.log(`http://127.0.0.1:${(server.address() as AddressInfo).port}`));
