/** Ends in some way while eight transfers of FILE wait for peers that don't read: `WAY FILE`. */
import { once } from "node:events";
import { connect, createServer, type AddressInfo } from "node:net";
import process from "node:process";
import { setTimeout as sleep } from "node:timers/promises";
import { transfer } from "sluice";

const [way = "", file = ""] = process.argv.slice(2);
const server = createServer({ pauseOnConnect: true }).listen(0, "127.0.0.1");
await once(server, "listening");
const { port } = server.address() as AddressInfo;
const abort = new AbortController();
const sockets = Array.from({ length: 8 }, () => connect(port, "127.0.0.1"));
const sending = sockets.map((socket) => transfer(file, socket, { signal: abort.signal }));
const settled = Promise.allSettled(sending);
await sleep(100);

const ways: Readonly<Record<string, () => unknown>> = {
  exit: () => process.exit(7),
  uncaught: () =>
    setImmediate(() => {
      throw new Error("uncaught on purpose");
    }),
  "abort-all": async () => {
    abort.abort();
    const codes = (await settled).map((end) => (end.status === "rejected" ? end.reason.code : "resolved"));
    process.exit(codes.every((code) => code === "ABORT_ERR") ? 0 : 3);
  },
};
ways[way]?.();
