/** Objects by their keys, in a folder: `node build/examples/object-storage.js [FOLDER [PORT]]` */
import { rm } from "node:fs/promises";
import { join } from "node:path";
import process from "node:process";
import { transfer } from "sluice";
import { file, serve } from "sluice/fetch";

const [root = ".", port = "8080"] = process.argv.slice(2);

/** A key as one name in the folder: not a hidden one, nor one that file() takes for a compressed sibling. */
function nameOf(key: string): string | undefined {
  const name = encodeURIComponent(key).replace(/^\.|\.(?=(?:br|gz|zst)$)/g, "%2E");
  // Some more letters are for names of what is under way.
  return name !== "" && name.length <= 200 ? name : undefined;
}

async function answer(request: Request): Promise<Response> {
  const name = nameOf(decodeURIComponent(new URL(request.url).pathname.slice(1)));
  if (name === undefined) return new Response(null, { status: 400 });
  const get = (asked: Request) => file(asked, encodeURIComponent(name), { root, index: false });
  if (request.method === "DELETE") {
    await rm(join(root, name), { force: true });
    return new Response(null, { status: 204 });
  }
  if (request.method !== "PUT") return get(request);
  await transfer(request.body ?? new Uint8Array(), join(root, name), { atomic: true });
  const { headers } = await get(new Request(request.url, { method: "HEAD" }));
  return new Response(null, { status: 201, headers: { etag: headers.get("etag") ?? "" } });
}

const server = await serve({
  port: Number(port),
  hostname: "127.0.0.1",
  // What isn't UTF-8 is no key.
  fetch: (request) =>
    answer(request).catch((error: unknown) => {
      if (error instanceof URIError) return new Response(null, { status: 400 });
      throw error;
    }),
});
console.log(server.url);
