/** Bodies of HTTP/2, which name no length: to a path, and to an upstream. */
import { once } from "node:events";
import * as fs from "node:fs";
import * as http2 from "node:http2";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { transfer } from "sluice";
import { proxyPass, toNodeHandler } from "sluice/fetch";
import { assert, test } from "../support/contract.ts";
import { collect } from "../support/data.ts";
import { tempFolder } from "../support/temp.ts";
import { waitFor } from "../support/wait.ts";
import { assertBytes, data } from "./support/files.ts";
import { echo, echoed, fieldsNamed, httpUpstream } from "./support/upstreams.ts";

test("a body without a length is whole at a path and at an upstream, or fails at both", {}, async () => {
  const folder = tempFolder();
  let whole = 0;
  let begun = 0;
  let failed = 0;
  await using upstream = await httpUpstream((message, response) => {
    begun++;
    message.on("error", () => undefined).once("end", () => whole++);
    echo(message, response);
  });
  const handler = toNodeHandler(
    async (asked) => {
      const { pathname } = new URL(asked.url);
      if (pathname === "/pass") return proxyPass(asked, upstream.url);
      begun++;
      await transfer(asked.body ?? new Uint8Array(), join(folder, "target"), { atomic: true }).catch(
        (error: unknown) => {
          failed++;
          throw error;
        },
      );
      return new Response("stored");
    },
    { onError: () => undefined },
  );
  const server = http2.createServer(handler as (request: unknown, response: unknown) => void);
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const client = http2.connect(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
  const put = (path: string) => client.request({ ":path": path, ":method": "PUT" }).on("error", () => undefined);

  const content = data(300_000);
  const stored = put("/store").end(content);
  assert.is((await collect(stored)).toString(), "stored");
  assertBytes(fs.readFileSync(join(folder, "target")), content);
  const told = echoed(await collect(put("/pass").end(content)));
  assert.equal(fieldsNamed(told, "transfer-encoding"), ["chunked"]);
  assert.is(told.body, content.toString("latin1"));

  for (const path of ["/store", "/pass"]) {
    const expected = begun + 1;
    const stream = put(path);
    stream.write("beginning");
    await waitFor("the handler", () => begun === expected);
    // Without an error Bun would end the body first.
    stream.destroy(new Error("On purpose"));
  }
  await waitFor("the failure", () => failed === 1);
  await waitFor("the end of the upstream's connection", () => upstream.open() === 0);
  assert.is(whole, 1);
  assertBytes(fs.readFileSync(join(folder, "target")), content);
  client.destroy();
  server.close();
});
