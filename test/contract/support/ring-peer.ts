/**
 * The other process of a ring: opens one, makes one of its own, tells where that is, and does what it was told to.
 *
 *     FILE echo | for-ever | take | hold  PATH-OR-FD  SIZE-OF-ITS-OWN
 */
import process from "node:process";
import { setTimeout as sleep } from "node:timers/promises";
import { createRing, openRing, type SharedRing, transfer } from "sluice";
import { data } from "./files.ts";
import { isRingPattern, ringPattern } from "./ring-peers.ts";

/** Views and copies in turn: what both show has to be the same stream. */
async function* both(ring: SharedRing): AsyncGenerator<Uint8Array> {
  for (;;) {
    const chunk = await ring.read();
    if (chunk === undefined) return;
    yield chunk;
    for await (const view of ring.views()) {
      yield view;
      break;
    }
  }
}

async function echo(inbound: SharedRing, outbound: SharedRing): Promise<void> {
  for await (const chunk of both(inbound)) await outbound.write(chunk);
  await outbound.end();
}

/** Until it is killed. */
async function forEver(inbound: SharedRing, outbound: SharedRing): Promise<void> {
  const reading = transfer(inbound, "/dev/null");
  const sizes = data(4096, process.pid);
  for (let at = 0, turn = 0; ; turn++) {
    const size = 1 + (sizes[turn % sizes.length] ?? 0) * 301;
    const bytes = ringPattern(at, size);
    if (!isRingPattern(bytes, at)) throw new Error("The pattern is wrong");
    await Promise.race([outbound.write(bytes), reading]);
    at += size;
  }
}

/** Until it is killed, too. */
async function take(inbound: SharedRing): Promise<void> {
  for await (const chunk of inbound) if (chunk.length === 0) throw new Error("A chunk is empty");
}

async function hold(): Promise<void> {
  await sleep(3_600_000);
}

const deeds: Readonly<Record<string, typeof echo>> = { echo, "for-ever": forEver, take, hold };

const [name = "", place = "", size] = process.argv.slice(2);
const deed = deeds[name];
if (deed === undefined) throw new Error(`What is ${name}?`);
await using inbound = await openRing(/^\d+$/.test(place) ? Number(place) : place);
await using outbound = await createRing({ bytes: Number(size) });
process.stdout.write(`${outbound.path}\n`);
await deed(inbound, outbound);
