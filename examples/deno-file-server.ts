/** A file server on Deno.listen: `deno run -R=. -N=127.0.0.1 --allow-ffi=dist/native deno-file-server.ts [FOLDER [PORT]]` */
import { transfer } from "sluice";
import { answer, requests } from "./http.ts";

const [root = ".", port = "8080"] = Deno.args;

async function* read(conn: Deno.Conn): AsyncGenerator<Uint8Array> {
  const buffer = new Uint8Array(4096);
  for (let count = await conn.read(buffer); count !== null; count = await conn.read(buffer))
    yield buffer.subarray(0, count);
}

async function serve(conn: Deno.TcpConn): Promise<void> {
  conn.setNoDelay();
  for await (const request of requests(read(conn))) {
    const { head, body, last } = await answer(request, root);
    try {
      await transfer(head, conn);
      if (body !== undefined) {
        const { bytes } = await transfer(body.file, conn, { length: body.bytes });
        // Fewer than were promised: only the end of the connection can tell.
        if (bytes < body.bytes) throw new Error("the file was cut before it was sent");
      }
    } finally {
      await body?.file.close();
    }
    if (last) break;
  }
}

const listener = Deno.listen({ hostname: "127.0.0.1", port: Number(port) });
console.log(`http://127.0.0.1:${listener.addr.port}`);
for await (const conn of listener)
  serve(conn)
    .catch((error: unknown) => console.error(String(error)))
    .finally(() => conn.close());
