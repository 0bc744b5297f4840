/** Express, 4 or 5 by the name of its package, with each way it has of answering with a file. */
import { createReadStream } from "node:fs";
import { createServer } from "node:http";
import { join } from "node:path";
import compression from "compression";
import { folderToServe, packageToUse } from "./arguments.ts";
import { serveRecorded } from "./recorder.ts";

// Express 4 has no types here; what is used of it is alike in both.
const { default: express } = (await import(packageToUse)) as { default: typeof import("express") };

const app = express();
app.get("/ping", (_request, response) => void response.send("pong"));
app.use("/static", express.static(folderToServe));
app.get("/send-file/:name", (request, response) => response.sendFile(join(folderToServe, request.params.name)));
app.get("/download/:name", (request, response) =>
  response.download(join(folderToServe, request.params.name), "näme.bin"),
);
app.get("/pipe/:name", (request, response, next) => {
  createReadStream(join(folderToServe, request.params.name)).on("error", next).pipe(response);
});
app.use("/compressed", compression(), express.static(folderToServe));
// Loaded when asked, so that without the preload nothing of it is there.
serveRecorded(createServer(app), { stats: async () => (await import("sluice/stream")).stats() });
