/** Bytes of which each word of four says where it belongs, and the process that sends them. */
import { spawn } from "node:child_process";
import { fileURLToPath } from "node:url";
import { nodeProgram } from "../../support/self.ts";

/** When bytes come: before the call or with it, while it goes on, after it. */
export const schedules = ["at once", "bit by bit", "late"] as const;

export type Schedule = (typeof schedules)[number];

/** More than a runtime reads ahead, and no multiple of what it reads at once. */
export const wordBytes = 300_004;

export function words(length: number): Buffer {
  const bytes = Buffer.alloc(length);
  for (let at = 0; at + 4 <= length; at += 4) bytes.writeUInt32BE(at / 4, at);
  return bytes;
}

const expected = words(wordBytes);

/** What is wrong with the bytes, or undefined. */
export function wordsWrong(bytes: Buffer): string | undefined {
  if (bytes.equals(expected)) return undefined;
  let at = 0;
  while (at < bytes.length && bytes[at] === expected[at]) at++;
  const there = at + 4 <= bytes.length ? `, where there is word ${bytes.readUInt32BE(at - (at % 4))}` : "";
  return `${bytes.length} bytes of ${expected.length}, the first wrong one at ${at}${there}`;
}

export interface WordPeer extends Disposable {
  /** Where it sends by that schedule to whoever connects. */
  port(schedule: Schedule): number;
  /** Makes it connect to a port and send there. */
  connectTo(port: number, schedule: Schedule): void;
}

export async function wordPeer(): Promise<WordPeer> {
  const program = fileURLToPath(new URL("word-peer.js", import.meta.url));
  const child = spawn(nodeProgram(), [program], { stdio: ["pipe", "pipe", "inherit"] });
  const line = await new Promise<string>((resolve, reject) => {
    child.stdout.setEncoding("utf8").once("data", resolve);
    child.once("error", reject).once("exit", (code) => reject(new Error(`The peer ended with ${code}`)));
  });
  const ports = line.trim().split(" ").map(Number);
  return {
    port: (schedule) => ports[schedules.indexOf(schedule)] ?? 0,
    connectTo: (port, schedule) => void child.stdin.write(`${schedules.indexOf(schedule)} ${port}\n`),
    [Symbol.dispose]: () => child.stdin.end(),
  };
}
