/** Stores what is sent by PUT, whole or not at all: `node build/examples/upload.js [FOLDER [PORT]]` */
import { join } from "node:path";
import process from "node:process";
import { transfer } from "sluice";
import { serve } from "sluice/fetch";

const [folder = ".", port = "8080"] = process.argv.slice(2);

async function store(request: Request): Promise<Response> {
  const [name] = new URL(request.url).pathname.match(/(?<=^\/)[\w-][\w.-]*$/) ?? [];
  if (request.method !== "PUT" || name === undefined) return new Response(null, { status: 400 });
  const { bytes } = await transfer(request.body ?? new Uint8Array(), join(folder, name), { atomic: true });
  return new Response(`${bytes} bytes\n`, { status: 201 });
}

const server = await serve({ port: Number(port), hostname: "127.0.0.1", fetch: store });
console.log(server.url);
