/** Deno sends a file to a conn that it accepted. */
import { transfer } from "sluice";
import { announce, chosen, sample } from "../sample.ts";

const send = chosen<(path: string, conn: Deno.TcpConn) => Promise<unknown>>({
  transfer,
  async streams(path, conn) {
    const file = await Deno.open(path);
    await file.readable.pipeTo(conn.writable, { preventClose: true });
  },
});

const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
announce(listener.addr.port);
const conn = await listener.accept();
listener.close();
conn.setNoDelay();
await sample(async (path) => {
  await send(path, conn);
  if ((await conn.read(new Uint8Array(1))) === null) throw new Error("The reader closed the connection");
});
conn.close();
