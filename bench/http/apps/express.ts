/** A folder of files by Express, as its manual has it. It knows nothing of Sluice. */
import express from "express";
import { announce, folder, keepAliveMs } from "./app.ts";

const app = express();
app.use(express.static(folder));
const server = app.listen(0, "127.0.0.1", () => announce(server.address()));
server.keepAliveTimeout = keepAliveMs;
