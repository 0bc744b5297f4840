/** Bun sends a file to a socket that Bun.listen accepted. */
import { transfer } from "sluice";
import { announce, chosen, sample } from "../sample.ts";

/** Resolves at the next call of `wake`. */
class Signal {
  #wake: () => void = () => {};
  readonly wake = (): void => this.#wake();
  wait(): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = resolve;
    });
  }
}

const acknowledged = new Signal();
const drained = new Signal();

async function sendByStreams(path: string, socket: Bun.Socket): Promise<void> {
  for await (const chunk of Bun.file(path).stream())
    for (let rest = chunk; rest.length > 0;) {
      const drain = drained.wait();
      rest = rest.subarray(socket.write(rest));
      if (rest.length > 0) await drain;
    }
}

const send = chosen<(path: string, socket: Bun.Socket) => Promise<unknown>>({ transfer, streams: sendByStreams });

const listener = Bun.listen({
  hostname: "127.0.0.1",
  port: 0,
  socket: { open: (socket) => void run(socket), data: acknowledged.wake, drain: drained.wake },
});
announce(listener.port);

async function run(socket: Bun.Socket): Promise<void> {
  listener.stop();
  socket.setNoDelay();
  await sample(async (path) => {
    const arrived = acknowledged.wait();
    await send(path, socket);
    await arrived;
  });
  socket.end();
}
