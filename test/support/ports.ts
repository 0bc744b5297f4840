/** Ports for programs that can't say which one they were given. */
import { once } from "node:events";
import { type AddressInfo, connect, createServer } from "node:net";

/** Below those that the kernel gives to whoever names none (ip(7), ip_local_port_range): no other test gets one of these meanwhile. */
const lowest = 10_000;
const highest = 32_000;

async function isFree(port: number): Promise<boolean> {
  const server = createServer();
  const listening = once(server.listen(port, "127.0.0.1"), "listening");
  try {
    await listening;
  } catch {
    return false;
  }
  const { port: found } = server.address() as AddressInfo;
  server.close();
  await once(server, "close");
  return found === port;
}

/** A port of 127.0.0.1 that nobody listens at. */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = lowest + Math.floor(Math.random() * (highest - lowest));
    if (await isFree(port)) return port;
  }
}

/** Whether somebody listens at a port of 127.0.0.1. */
export function isListening(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1");
    socket.once("error", () => resolve(false));
    socket.once("connect", () => {
      socket.destroy();
      resolve(true);
    });
  });
}
