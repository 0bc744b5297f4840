/** Other processes for rings: each of the runtimes, found and started. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import type { SharedRing } from "sluice";
import { candidates, locate } from "../../support/runtimes.ts";
import { data } from "./files.ts";

const program = fileURLToPath(new URL("ring-peer.js", import.meta.url));
/** Of a length that no ring's size is a multiple of. */
const period = data(65_521, 5);
const twice = Buffer.concat([period, period, period]);

/** Bytes of a stream without an end, from a position in it. At most two periods. */
export function ringPattern(at: number, length: number): Uint8Array {
  return twice.subarray(at % period.length, (at % period.length) + length);
}

export function isRingPattern(bytes: Uint8Array, at: number): boolean {
  for (let done = 0; done < bytes.length; done += period.length) {
    const part = bytes.subarray(done, done + period.length);
    if (Buffer.compare(part, ringPattern(at + done, part.length)) !== 0) return false;
  }
  return true;
}

export interface RingPeer extends Disposable {
  readonly runtime: string;
  /** Where the ring is that it has made. */
  readonly path: string;
  kill(): void;
  /** "0" for a good end, else its exit code or signal, and what it complained about. */
  readonly ended: Promise<string>;
}

/** "take" reads for ever, "hold" opens the ring and does nothing. */
type Deed = "echo" | "for-ever" | "take" | "hold";

async function start(
  runtime: string,
  command: readonly [string, ...string[]],
  deed: Deed,
  ring: SharedRing,
  bytes: number,
): Promise<RingPeer> {
  const [executable, ...options] = command;
  const inherits = deed === "echo";
  const args = [...options, program, deed, inherits ? "3" : ring.path, String(bytes)];
  const child = spawn(executable, args, { stdio: ["ignore", "pipe", "pipe", ...(inherits ? [ring.fd] : [])] });
  const { stdout, stderr } = child;
  if (stdout === null || stderr === null) throw new Error("It has no output");
  let complaint = "";
  stderr.setEncoding("utf8").on("data", (text: string) => (complaint += text));
  const ended = once(child, "close").then(([code, signal]) => `${signal ?? code}${complaint && `: ${complaint}`}`);
  const path = await new Promise<string>((resolve, reject) => {
    let line = "";
    stdout.setEncoding("utf8").on("data", (text: string) => {
      line += text;
      if (line.includes("\n")) resolve(line.trim());
    });
    void ended.then((end) => reject(new Error(`${runtime} ended with ${end}`)));
  });
  const kill = () => void child.kill("SIGKILL");
  return { runtime, path, ended, kill, [Symbol.dispose]: kill };
}

/** Starts a peer on each of the runtimes, one after the other. "echo" inherits our ring's descriptor, the others open its path. */
export async function* ringPeers(
  deed: Deed,
  ring: () => Promise<SharedRing>,
  bytes: number,
): AsyncGenerator<{ readonly peer: RingPeer; readonly ring: SharedRing }> {
  for (const candidate of candidates.usual) {
    const { name, command } = await locate(candidate);
    await using outbound = await ring();
    using peer = await start(name, command, deed, outbound, bytes);
    yield { peer, ring: outbound };
  }
}
