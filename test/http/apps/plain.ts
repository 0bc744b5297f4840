/** node:http by itself: `/ROUTE/FILE`, with the routes of routes.ts, and streams that the test can meddle with. */
import { createReadStream, statSync } from "node:fs";
import { createServer } from "node:http";
import { join } from "node:path";
import { folderToServe } from "./arguments.ts";
import { meddle } from "./meddling.ts";
import { caseOf, note, serveRecorded, watch } from "./recorder.ts";
import { routes } from "./routes.ts";

const server = createServer((request, response) => {
  const [, route = "", name = ""] = decodeURIComponent(request.url?.split("?")[0] ?? "").split("/");
  if (route === "ping") return void response.end("pong");
  const answer = routes[route]?.answer;
  if (answer === undefined) throw new Error(`There is no route ${route}`);
  const path = join(folderToServe, name);
  const id = caseOf(request);
  void answer({
    id,
    request,
    response,
    path,
    size: statSync(path, { throwIfNoEntry: false })?.size ?? 0,
    open(options, other = path) {
      const source = createReadStream(other, options);
      watch(id, "source", source);
      return source;
    },
    note: (event, state) => note(id, event, state),
  });
});

serveRecorded(server, { meddle });
