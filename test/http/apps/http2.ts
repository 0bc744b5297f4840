/** The same file over HTTP/2, whose frames nobody but Node makes. */
import { createReadStream } from "node:fs";
import { createServer } from "node:http2";
import { join } from "node:path";
import { folderToServe } from "./arguments.ts";
import { serveRecorded } from "./recorder.ts";

const server = createServer((request, response) => {
  const [name = ""] = request.url.split("?");
  createReadStream(join(folderToServe, name)).pipe(response);
});
serveRecorded(server);
