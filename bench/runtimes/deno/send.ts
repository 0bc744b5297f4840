/** Deno sends a file to a conn that it accepted. The protocol is that of bench/c/sender.c. */
import { openSync } from "node:fs";
import { transfer } from "sluice";
import { announce, chosen, order, requestsIn } from "../order.ts";

const fd = openSync(order.file, "r");

/** Ends a stream after some bytes: Deno's files have no ranges. */
function limit(bytes: number): TransformStream<Uint8Array<ArrayBuffer>, Uint8Array<ArrayBuffer>> {
  let missing = bytes;
  return new TransformStream({
    transform(chunk, controller) {
      controller.enqueue(chunk.length <= missing ? chunk : chunk.subarray(0, missing));
      missing -= Math.min(missing, chunk.length);
      if (missing === 0) controller.terminate();
    },
  });
}

const send = chosen<(conn: Deno.TcpConn, bytes: number) => Promise<unknown>>({
  auto: (conn, length) => transfer(fd, conn, { length }),
  async streams(conn, bytes) {
    const file = await Deno.open(order.file);
    const whole = (await file.stat()).size === bytes;
    // A file that is wanted whole goes the straight way, which Deno has a fast path for.
    const readable = whole ? file.readable : file.readable.pipeThrough(limit(bytes));
    await readable.pipeTo(conn.writable, { preventClose: true });
  },
});

async function serve(conn: Deno.TcpConn): Promise<void> {
  conn.setNoDelay();
  const request = new Uint8Array(8);
  for (;;) {
    const got = await conn.read(request);
    if (got === null) break;
    for (const bytes of requestsIn(request.subarray(0, got))) await send(conn, bytes);
  }
  conn.close();
}

const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
announce(listener.addr.port);
for await (const conn of listener) void serve(conn);
