/** A folder of files by sirv, as its manual has it. It knows nothing of Sluice. */
import { createServer } from "node:http";
import sirv from "sirv";
import { announce, folder, keepAliveMs } from "./app.ts";

const serve = sirv(folder);
const server = createServer((request, response) => serve(request, response));
server.keepAliveTimeout = keepAliveMs;
server.listen(0, "127.0.0.1", () => announce(server.address()));
