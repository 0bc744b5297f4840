/** Deno's own conns, each with a conn of Deno as its peer. */
import { join } from "node:path";
import { tempFolder } from "../../support/temp.ts";

export interface Pair extends Disposable {
  readonly conn: Deno.TcpConn | Deno.UnixConn;
  readonly peer: Deno.TcpConn | Deno.UnixConn;
}

/** Closes what the test has not closed. */
function close(conn: Deno.Conn): void {
  try {
    conn.close();
  } catch (error) {
    if (!(error instanceof Deno.errors.BadResource)) throw error;
  }
}

function pair(conn: Pair["conn"], peer: Pair["peer"]): Pair {
  return {
    conn,
    peer,
    [Symbol.dispose]() {
      close(conn);
      close(peer);
    },
  };
}

async function tcp(): Promise<[accepted: Deno.TcpConn, connected: Deno.TcpConn]> {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  return await Promise.all([listener.accept(), Deno.connect({ hostname: "127.0.0.1", port: listener.addr.port })]);
}

async function unix(): Promise<[accepted: Deno.UnixConn, connected: Deno.UnixConn]> {
  const address = { transport: "unix", path: join(tempFolder(), "socket") } as const;
  using listener = Deno.listen(address);
  return await Promise.all([listener.accept(), Deno.connect(address)]);
}

/** With what Deno gives for each: the descriptors of accepted TCP conns only. */
export const kinds = {
  "an accepted Deno.TcpConn": { native: true, open: async () => pair(...(await tcp())) },
  "a connected Deno.TcpConn": { native: false, open: async () => pair(...swap(await tcp())) },
  "an accepted Deno.UnixConn": { native: false, open: async () => pair(...(await unix())) },
  "a connected Deno.UnixConn": { native: false, open: async () => pair(...swap(await unix())) },
} as const;

function swap<T>([first, second]: [T, T]): [T, T] {
  return [second, first];
}

export const accepted = kinds["an accepted Deno.TcpConn"].open;

/** Writes all of it, and ends. */
export async function writeAll(conn: Deno.Conn, bytes: Uint8Array): Promise<void> {
  for (let done = 0; done < bytes.length;) done += await conn.write(new Uint8Array(bytes.subarray(done)));
  await conn.closeWrite();
}
