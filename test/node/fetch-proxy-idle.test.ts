/** Who stands still while a request's body passes the runtime by: the client that sends it, or the upstream that doesn't take it. */
import { once } from "node:events";
import { connect } from "node:net";
import { verify } from "sluice/stream";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { front, rawUpstream } from "../contract/support/upstreams.ts";

const test = suite("idle upstreams");

test("an upstream that reads nothing of a large body is no client that sends nothing", async () => {
  await verify();
  await using upstream = await rawUpstream((socket) => void socket.pause());
  await using proxy = await front(upstream, { idleTimeoutMs: 200 });
  const client = connect(proxy.port, "127.0.0.1");
  const length = 64 * 1024 * 1024;
  client.on("error", () => undefined).write(`PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: ${length}\r\n\r\n`);
  client.write(Buffer.alloc(length));
  const [answer] = (await once(client, "data")) as [Buffer];
  assert.match(answer.toString("latin1"), /^HTTP\/1\.1 504 /);
  client.destroy();
});

test.run();
