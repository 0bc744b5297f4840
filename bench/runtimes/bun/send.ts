/** Bun sends a file to a socket that Bun.listen accepted. The protocol is that of bench/c/sender.c. */
import { openSync } from "node:fs";
import { transfer } from "sluice";
import { announce, chosen, order, requestsIn } from "../order.ts";

interface Data {
  drained: () => void;
}

type Peer = Bun.Socket<Data>;

async function sendByStreams(peer: Peer, bytes: number): Promise<void> {
  for await (const chunk of Bun.file(order.file).slice(0, bytes).stream())
    for (let rest = chunk; rest.length > 0;) {
      const drain = new Promise<void>((resolve) => (peer.data.drained = resolve));
      rest = rest.subarray(peer.write(rest));
      if (rest.length > 0) await drain;
    }
}

const fd = openSync(order.file, "r");

const send = chosen<(peer: Peer, bytes: number) => Promise<unknown>>({
  auto: (peer, length) => transfer(fd, peer, { length }),
  streams: sendByStreams,
});

const listener = Bun.listen<Data>({
  hostname: "127.0.0.1",
  port: 0,
  socket: {
    open(peer) {
      peer.data = { drained: () => {} };
      peer.setNoDelay();
    },
    data(peer, chunk) {
      for (const bytes of requestsIn(chunk))
        send(peer, bytes).catch((error: unknown) => {
          console.error(error);
          peer.end();
        });
    },
    drain: (peer) => peer.data.drained(),
  },
});
announce(listener.port);
