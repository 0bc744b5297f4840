/** Where Node keeps the descriptor under a socket: an implementation detail that the library stands on. */
import { fstatSync } from "node:fs";
import { join } from "node:path";
import { explain } from "sluice";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { connect } from "../contract/support/connection.ts";
import { fdOfSocket } from "../contract/support/descriptors.ts";
import { dataFile } from "../contract/support/files.ts";
import { tempFolder } from "../support/temp.ts";

const test = suite("socket fd");

interface WithHandle {
  readonly _handle?: { readonly fd?: number };
}

test("socket._handle.fd is the descriptor that procfs shows, at both ends", async () => {
  using link = await connect();
  for (const socket of [link.socket, link.peer]) assert.is((socket as WithHandle)._handle?.fd, fdOfSocket(socket));
});

test("socket._handle.fd of a Unix socket is a socket's descriptor", async () => {
  using link = await connect(join(tempFolder(), "socket"));
  for (const socket of [link.socket, link.peer])
    assert.ok(fstatSync((socket as WithHandle)._handle?.fd ?? -1).isSocket());
});

test("explain() reaches both kinds of socket by their descriptors", async () => {
  const folder = tempFolder();
  const { path } = dataFile(folder, 1_000_000);
  using tcp = await connect();
  using unix = await connect(join(folder, "socket"));
  for (const { socket } of [tcp, unix]) {
    const { candidates } = await explain(path, socket);
    assert.is(candidates[0]?.strategy, "sendfile");
  }
});

test.run();
