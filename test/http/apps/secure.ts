/** The same file over TLS: nothing to be taken over. `FOLDER KEY_AND_CERTIFICATE`. */
import { createReadStream, readFileSync } from "node:fs";
import { createServer } from "node:https";
import { join } from "node:path";
import { folderToServe, packageToUse } from "./arguments.ts";
import { serveRecorded } from "./recorder.ts";

const pem = readFileSync(packageToUse);
const server = createServer({ key: pem, cert: pem }, (request, response) => {
  const name = (request.url ?? "").split("?")[0] ?? "";
  if (name === "/ping") response.end("pong");
  else createReadStream(join(folderToServe, name)).pipe(response);
});
serveRecorded(server);
