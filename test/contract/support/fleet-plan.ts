/** What each peer of a fleet does, and which bytes it sends, from a seed: known to both processes. */

/** Numbers below `n`, always the same for the same two seeds. */
export function dice(seed: number, id: number): (n: number) => number {
  let state = (Math.imul(seed, 0x9e3779b1) ^ Math.imul(id + 1, 0x85ebca6b)) >>> 0;
  return (n) => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) % n;
  };
}

export interface Plan {
  /** Bytes to send, of which the first four are the peer's number. */
  readonly total: number;
  /** Whether it breaks off by a reset, so many milliseconds after the connection, and never says that it has ended. */
  readonly resetAfterMs: number | undefined;
  /** Whether it stops reading now and then. */
  readonly isSlow: boolean;
}

const sizes: readonly ((below: (n: number) => number) => number)[] = [
  () => 4,
  (below) => 4 + below(2000),
  (below) => 4 + below(100_000),
  (below) => 4 + below(100_000),
  (below) => 4 + below(1_500_000),
];

/** Clients and upstreams have plans of their own. */
export function planOf(seed: number, side: "client" | "upstream", id: number): Plan {
  const below = dice(seed + (side === "client" ? 0 : 7919), id);
  const total = sizes[below(sizes.length)]?.(below) ?? 4;
  const resets = below(side === "client" ? 3 : 6) === 0;
  // Many at once, most of the others while bytes move.
  const resetAfterMs = resets ? below(4) * below(5) : undefined;
  return { total, resetAfterMs, isSlow: below(4) === 0 };
}

const period = 65_537;
const pattern = Buffer.alloc(2_000_000 + period);
const random = dice(1, 1);
for (let at = 0; at < pattern.length; at += 1) pattern[at] = random(256);

/** What a peer sends. */
export function contentOf(id: number, total: number): Buffer {
  const start = Math.imul(id, 8191) % period;
  const bytes = Buffer.from(pattern.subarray(Math.abs(start), Math.abs(start) + total));
  bytes.writeUInt32BE(id, 0);
  return bytes;
}

/** What a peer came to. */
export interface Record {
  readonly id: number;
  /** Of the other end of its connection. */
  readonly port: number;
  readonly got: number;
  /** Whose bytes those are, once four have come. */
  readonly from: number | undefined;
  /** What is wrong with them. */
  readonly wrong: string | undefined;
  /** How the other side ended: by a FIN, by a reset, or not before this one was gone. */
  readonly end: "end" | "reset" | "none" | "hung";
  /** Whether this one has broken off. */
  readonly didReset: boolean;
}

export interface Batch {
  readonly clients: readonly Record[];
  readonly upstreams: readonly Record[];
}

/** The address that client connects from, by which the proxy knows it. */
export function addressOf(id: number): string {
  return `127.${10 + (id >>> 16)}.${(id >>> 8) & 255}.${id & 255}`;
}

export function idOf(address: string | undefined): number | undefined {
  const [, high = 0, middle = 0, low = 0] = (address?.replace("::ffff:", "") ?? "").split(".").map(Number);
  return address === undefined || high < 10 ? undefined : ((high - 10) << 16) | (middle << 8) | low;
}
