/** A TCP proxy: node tcp-proxy.js WAY UPSTREAM_PORT */
import { type AddressInfo, connect, createServer, type Server } from "node:net";

const [way = "", upstream] = process.argv.slice(2);
const target = { port: Number(upstream), host: "127.0.0.1", noDelay: true } as const;

/** Sluice is loaded only where it is used: the other is Node alone. */
const ways: Readonly<Record<string, () => Promise<Server>>> = {
  /** As it is usually written. */
  pipe: async () =>
    createServer({ allowHalfOpen: true, noDelay: true }, (client) => {
      const server = connect({ ...target, allowHalfOpen: true });
      client.pipe(server);
      server.pipe(client);
      client.on("error", () => server.destroy());
      server.on("error", () => client.destroy());
    }),
  async sluice() {
    const { proxy } = await import("sluice");
    return createServer({ noDelay: true }, (client) => {
      proxy(client, connect(target), { adopt: true }).catch(() => {
        // A client may reset.
      });
    });
  },
};

const server = await ways[way]?.();
if (server === undefined) throw new Error(`There is no way ${way} to join connections`);
server.listen(0, "127.0.0.1", () => console.log(`http://127.0.0.1:${(server.address() as AddressInfo).port}`));
