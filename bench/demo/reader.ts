/**
 * The demo's other end, a process of its own: takes the bytes straight into one piece of memory, acknowledges
 * the last, and only then hashes, so that hashing costs the sender nothing.
 */
import { createHash } from "node:crypto";
import { connect } from "node:net";

export interface ReadOrder {
  readonly port: number;
  /** Bytes that come first, are thrown away and acknowledged. */
  readonly warmupBytes: number;
  readonly bytes: number;
}

export interface ReadReport {
  readonly received: number;
  readonly sha256: string;
}

const dump = Buffer.alloc(65_536);
let memory = Buffer.alloc(0);

/** Memory whose pages are there already: the first sender must not wait for what the others find. */
function reserve(bytes: number): void {
  if (memory.length < bytes) memory = Buffer.allocUnsafeSlow(bytes).fill(1);
}

function readAll({ port, warmupBytes, bytes }: ReadOrder): Promise<ReadReport> {
  reserve(bytes);
  return new Promise((resolve, reject) => {
    let received = -warmupBytes;
    const nextBuffer = () => {
      if (received < 0) return dump.subarray(0, Math.min(dump.length, -received));
      return received < bytes ? memory.subarray(received, bytes) : dump;
    };
    const socket = connect({
      port,
      host: "127.0.0.1",
      noDelay: true,
      onread: {
        buffer: nextBuffer,
        callback(count) {
          received += count;
          if (received === 0 || received === bytes) socket.write("k");
          return true;
        },
      },
    });
    socket.on("error", reject).on("close", () => {
      const kept = memory.subarray(0, Math.max(0, Math.min(received, bytes)));
      resolve({ received, sha256: createHash("sha256").update(kept).digest("hex") });
    });
  });
}

process.on("message", (order: ReadOrder) => {
  void readAll(order).then((report) => process.send?.(report));
});
process.on("disconnect", () => process.exit());
