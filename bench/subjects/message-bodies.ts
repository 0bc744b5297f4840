/** Bodies of messages, as apps have them: node message-bodies.js proxy UPSTREAM_PORT | upload FOLDER | api. It knows nothing of Sluice. */
import { createWriteStream } from "node:fs";
import { unlink } from "node:fs/promises";
import { Agent, createServer, type Server, type ServerResponse } from "node:http";
import { join } from "node:path";
import { pipeline } from "node:stream/promises";

const [way = "", place = ""] = process.argv.slice(2);

/** What nothing was said about yet can still be answered; a proxy's client may have gone. */
function fail(response: ServerResponse): void {
  if (response.headersSent) response.destroy();
  else response.writeHead(502).end();
}

const ways: Readonly<Record<string, () => Promise<Server>>> = {
  /** http-proxy as its manual has it, with connections that are kept, as all others here keep theirs. */
  async proxy() {
    const { default: httpProxy } = await import("http-proxy");
    const agent = new Agent({ keepAlive: true });
    const proxy = httpProxy.createProxyServer({ target: `http://127.0.0.1:${place}`, agent });
    return createServer((request, response) => proxy.web(request, response, {}, () => fail(response)));
  },
  /** Each into a file of its own, which goes when it is whole: nginx has `clean` for that. */
  async upload() {
    let uploads = 0;
    return createServer((request, response) => {
      const path = join(place, `${process.pid}-${uploads++}`);
      pipeline(request, createWriteStream(path))
        .then(() => unlink(path))
        .then(
          () => response.end("ok"),
          () => fail(response),
        );
    });
  },
  /** Answers that no stream is behind: as many bytes as the path says. */
  async api() {
    return createServer((request, response) => response.end(Buffer.alloc(Number(request.url?.slice(1)), "a")));
  },
};

const server = await ways[way]?.();
if (server === undefined) throw new Error(`There is no way ${way} to treat bodies`);
// A large body may take its time on a machine that is busy.
server.requestTimeout = 0;
server.listen(0, "127.0.0.1", () => {
  const address = server.address();
  if (address !== null && typeof address === "object") console.log(`http://127.0.0.1:${address.port}`);
});
