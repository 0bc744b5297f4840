/** An app that is no module, with Express. */
{
  const { createServer } = require("node:http") as typeof import("node:http");
  const express = require("express") as typeof import("express");
  const app = express();
  app.get("/ping", (_request, response) => void response.send("pong"));
  app.use("/static", express.static(process.argv[2] ?? ""));
  void import("./recorder.js").then(({ serveRecorded }) => serveRecorded(createServer(app)));
}
