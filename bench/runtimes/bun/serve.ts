/** Bun.serve answers /BYTES with that much of a Bun.file, which it sends by sendfile. */
import { announce, order } from "../order.ts";

const file = Bun.file(order.file);

const server = Bun.serve({
  hostname: "127.0.0.1",
  port: 0,
  idleTimeout: 0,
  fetch({ url }) {
    const bytes = Number(new URL(url).pathname.slice(1));
    return new Response(bytes === file.size ? file : file.slice(0, bytes));
  },
});
announce(server.port ?? 0);
