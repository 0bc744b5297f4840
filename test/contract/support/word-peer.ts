/**
 * A process that sends the words 0, 1, 2, … each in four bytes, so that whatever is missing, doubled or in another place shows.
 *
 * It prints three ports: a connection to one of them is sent to as that one's schedule says. A line of its input, `SCHEDULE
 * PORT`, makes it connect to a port and send there. It ends with its input.
 */
import { connect, createServer, type Socket } from "node:net";
import type { AddressInfo } from "node:net";
import { createInterface } from "node:readline";
import process from "node:process";
import { setTimeout as sleep } from "node:timers/promises";
import { schedules, wordBytes, words } from "./words.ts";

const all = words(wordBytes);

const sends: Readonly<Record<(typeof schedules)[number], (socket: Socket) => Promise<void>>> = {
  "at once": async (socket) => void socket.end(all),
  "bit by bit": async (socket) => {
    for (let at = 0; at < all.length; at += 40_000) {
      socket.write(all.subarray(at, at + 40_000));
      await sleep(at < 160_000 ? 1 : 0);
    }
    socket.end();
  },
  late: async (socket) => {
    socket.write(all.subarray(0, 6));
    await sleep(20);
    socket.end(all.subarray(6));
  },
};

function serve(socket: Socket, schedule: (typeof schedules)[number]): void {
  socket.on("error", () => undefined).resume();
  void sends[schedule](socket);
}

const ports: number[] = [];
for (const schedule of schedules) {
  const server = createServer({ allowHalfOpen: true }, (socket) => serve(socket, schedule));
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  ports.push((server.address() as AddressInfo).port);
}
console.log(ports.join(" "));

createInterface({ input: process.stdin })
  .on("line", (line) => {
    const [index, port] = line.split(" ").map(Number);
    const schedule = schedules[index ?? 0] ?? "at once";
    const socket = connect({ port: port ?? 0, host: "127.0.0.1", allowHalfOpen: true });
    socket.once("connect", () => void sends[schedule](socket));
    socket.on("error", () => undefined).resume();
  })
  .on("close", () => process.exit(0));
