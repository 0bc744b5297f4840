/** A peer that sends TCP's urgent data, or a Unix socket's: a small C program, since no module of Node's can. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { compiled } from "./compiled.ts";

const bytesOf: Readonly<Record<string, number>> = { "-": 20_000, L: 1_000_000 };

export interface UrgentPeer extends Disposable {
  /** Lets it go on at a `w` of its score. */
  goOn(): void;
  /** Its exit code, once it has seen the end of its connection. */
  readonly ended: Promise<number>;
}

/** Connects to a port of the loopback address, or to a path, and plays the score (urgent.c has the letters). */
export function urgentPeer(where: number | string, score: string): UrgentPeer {
  const child: ChildProcess = spawn(compiled("urgent"), [String(where), score], {
    stdio: ["pipe", "inherit", "inherit"],
  });
  return {
    goOn: () => void child.stdin?.write("w"),
    ended: once(child, "exit").then(([code]) => Number(code ?? -1)),
    [Symbol.dispose]() {
      child.kill();
    },
  };
}

/** The stream without what is urgent. */
export function streamOf(score: string): Buffer {
  const bytes = Buffer.alloc([...score].reduce((sum, letter) => sum + (bytesOf[letter] ?? 0), 0));
  for (let at = 0; at < bytes.length; at++) bytes[at] = ((at ^ (at >> 7) ^ (at >> 13)) | 1) & 255;
  return bytes;
}

/** Where several marks come at once, all but the last are bytes of the stream (tcp(7)): they are even, its own odd. */
export const withoutMarks = (bytes: Buffer): Buffer => Buffer.from(bytes.filter((byte) => byte % 2 === 1));
