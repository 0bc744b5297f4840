/** Bun sends a file: to sockets that Bun.listen accepted, by the protocol of bench/c/sender.c, or as a response of Bun.serve. */
import { openSync } from "node:fs";
import { basename, dirname } from "node:path";
import { transfer } from "sluice";
import { file } from "sluice/fetch";
import { announce, chosen, order, requestsIn } from "../order.ts";

const [hostname, port] = ["127.0.0.1", 0] as const;

interface Data {
  drained: () => void;
}

type Peer = Bun.Socket<Data>;

function listen(send: (peer: Peer, bytes: number) => Promise<unknown>): number {
  return Bun.listen<Data>({
    hostname,
    port,
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
  }).port;
}

async function sendByStreams(peer: Peer, bytes: number): Promise<void> {
  for await (const chunk of Bun.file(order.file).slice(0, bytes).stream())
    for (let rest = chunk; rest.length > 0;) {
      const drain = new Promise<void>((resolve) => (peer.data.drained = resolve));
      rest = rest.subarray(peer.write(rest));
      if (rest.length > 0) await drain;
    }
}

/** Answers /BYTES with that much of a Bun.file, which it sends by sendfile. */
function serve(): number | undefined {
  const whole = Bun.file(order.file);
  return Bun.serve({
    hostname,
    port,
    idleTimeout: 0,
    fetch({ url }) {
      const bytes = Number(new URL(url).pathname.slice(1));
      return new Response(bytes === whole.size ? whole : whole.slice(0, bytes));
    },
  }).port;
}

/** Answers with the whole file, by file() of sluice/fetch. */
function serveFile(): number | undefined {
  const [root, name] = [dirname(order.file), basename(order.file)];
  return Bun.serve({ hostname, port, idleTimeout: 0, fetch: (request) => file(request, name, { root }) }).port;
}

const begin = chosen<() => number | undefined>({
  auto() {
    const fd = openSync(order.file, "r");
    return listen((peer, length) => transfer(fd, peer, { length }));
  },
  streams: () => listen(sendByStreams),
  serve,
  serveFile,
});
announce(begin() ?? 0);
