/** The same by `proxy()`: node sluice.js UPSTREAM_PORT */
import { type AddressInfo, connect, createServer } from "node:net";
import { proxy } from "sluice";

const upstream = Number(process.argv[2]);
const server = createServer({ noDelay: true }, (client) => {
  const target = connect({ port: upstream, host: "127.0.0.1", noDelay: true });
  proxy(client, target, { adopt: true }).catch(() => {
    // A client that resets is nobody's fault here.
  });
});
server.listen(0, "127.0.0.1", () => console.log(`http://127.0.0.1:${(server.address() as AddressInfo).port}`));
