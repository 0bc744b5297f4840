/** Koa 3: a stream as the body, and koa-send. */
import { createReadStream } from "node:fs";
import { stat } from "node:fs/promises";
import { createServer } from "node:http";
import { join } from "node:path";
import Koa from "koa";
import send from "koa-send";
import { folderToServe } from "./arguments.ts";
import { serveRecorded } from "./recorder.ts";

type Answer = (context: Koa.Context, name: string) => unknown;

const routes: Readonly<Record<string, Answer>> = {
  ping: (context) => (context.body = "pong"),
  stream: (context, name) => (context.body = createReadStream(join(folderToServe, name))),
  "stream-with-length": async (context, name) => {
    const path = join(folderToServe, name);
    context.length = (await stat(path)).size;
    context.body = createReadStream(path);
  },
  send: (context, name) => send(context, name, { root: folderToServe }),
};

const app = new Koa();
// Koa prints what goes wrong otherwise.
app.silent = true;
app.use(async (context) => {
  const [, route = "", name = ""] = context.path.split("/");
  await routes[route]?.(context, name);
});
serveRecorded(createServer(app.callback()));
