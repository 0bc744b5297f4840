/** Serves files of a folder, and passes /api on to another server: `node build/examples/reverse-proxy.js [FOLDER [PORT [UPSTREAM]]]` */
import process from "node:process";
import { file, proxyPass, serve } from "sluice/fetch";

const [root = ".", port = "8080", upstream = "http://127.0.0.1:3000"] = process.argv.slice(2);

const server = await serve({
  port: Number(port),
  hostname: "127.0.0.1",
  fetch(request) {
    const { pathname, search } = new URL(request.url);
    if (!pathname.startsWith("/api/")) return file(request, pathname, { root });
    return proxyPass(request, upstream, { path: pathname.slice("/api".length) + search });
  },
});
console.log(server.url);
