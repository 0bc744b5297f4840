/** Deno.serve answers with a whole file: by file() of sluice/fetch, or by the file's own stream. */
import { basename, dirname } from "node:path";
import { file } from "sluice/fetch";
import { announce, chosen, order } from "../order.ts";

const [root, name] = [dirname(order.file), basename(order.file)];
const bytes = String((await Deno.stat(order.file)).size);

const answer = chosen<(request: Request) => Promise<Response>>({
  serveFile: (request) => file(request, name, { root }),
  async serve() {
    const { readable } = await Deno.open(order.file);
    return new Response(readable, { headers: { "content-length": bytes } });
  },
});
Deno.serve({ hostname: "127.0.0.1", port: 0, onListen: ({ port }) => announce(port) }, answer);
