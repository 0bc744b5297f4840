/** What a download by `serve()` keeps in memory while it runs, which may be for hours. */
import { file, serve } from "sluice/fetch";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { connectTo, stallAfterFirst } from "../contract/support/fetch.ts";
import { dataFile, MiB } from "../contract/support/files.ts";
import { collectGarbage } from "../contract/support/garbage.ts";
import { collect } from "../support/data.ts";
import { tempFolder } from "../support/temp.ts";
import { waitFor } from "../support/wait.ts";

test("serve() lets the body of a Response go once its file is on its way", async () => {
  const root = tempFolder();
  const { path, content } = dataFile(root, 24 * MiB);
  const name = path.slice(root.length);
  let body: WeakRef<object> | undefined;
  await using server = await serve({
    host: "127.0.0.1",
    async fetch(request) {
      const response = await file(request, name, { root });
      if (response.body !== null) body = new WeakRef(response.body);
      return response;
    },
  });
  const socket = await connectTo(server);
  socket.write(`GET ${name} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`);
  const first = await stallAfterFirst(socket);
  assert.ok(body, "the file had no body");
  await waitFor("the body to be collected", async () => {
    await collectGarbage();
    return body?.deref() === undefined;
  });
  const received = Buffer.concat([first, await collect(socket.resume())]);
  assert.ok(received.subarray(-content.length).equals(content));
});

test.run();
