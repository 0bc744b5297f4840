/** Where one body ends and the next message begins: never a byte past it, never one of it left. */
import * as assert from "uvu/assert";
import { assertBytes } from "../contract/support/files.ts";
import { answer, body, fate, head, readAnswer, readChunks, scenes, send, undated } from "./support/scene.ts";

const { scene, run } = scenes("the length of a body");

for (const way of ["pipe", "pipeline", "promised"])
  scene(
    `an upload by ${way} is stored to the byte, and its connection serves on`,
    { native: 1, counts: true },
    async (stage) => {
      const content = body(1);
      const client = await stage.client();
      send(client, head("POST", stage.upload(way), content.length), content);
      const seen = await readAnswer(client);
      assertBytes(stage.stored(), content);
      return [seen, await fate(client)];
    },
  );

scene("a body, another and a GET in one write each go their own way", { native: 2 }, async (stage) => {
  const [first, second] = [body(2), body(3)];
  const client = await stage.client();
  const all = [
    head("POST", stage.upload("pipe"), first.length),
    first,
    head("PUT", stage.upload("pipeline", 2), second.length),
    second,
    head("GET", "/ping", undefined),
  ];
  client.socket.write(Buffer.concat(all.map((part) => Buffer.from(part))));
  const seen = [await readAnswer(client), await readAnswer(client), undated(await client.head())];
  assertBytes(stage.stored(1), first);
  assertBytes(stage.stored(2), second);
  return seen;
});

scene("two bodies in one write reach the server behind as two", { native: 2 }, async (stage) => {
  const contents = [body(4), body(5)];
  const client = await stage.client();
  const parts = contents.flatMap((each, i) => [head("PUT", stage.proxy("pipe", i + 1), each.length), each]);
  client.socket.write(Buffer.concat(parts.map((part) => Buffer.from(part))));
  const behind = await stage.behind.accept();
  const seen: unknown[] = [];
  for (const content of contents) {
    seen.push(undated(await behind.head()));
    assertBytes(await behind.read(content.length), content);
    behind.socket.write(`${answer(2)}ok`);
    seen.push(await readAnswer(client));
  }
  return [seen, stage.behind.all.length];
});

scene("three answers come over one connection to the server behind", { native: 3 }, async (stage) => {
  const client = await stage.client();
  const seen: unknown[] = [];
  for (const nth of [1, 2, 3]) {
    const content = body(5 + nth);
    client.socket.write(head("GET", stage.proxy("pipe", nth), undefined));
    const behind = nth === 1 ? await stage.behind.accept() : stage.behind.all[0];
    if (behind === undefined) throw new Error("There is no connection");
    await behind.head();
    send(behind, answer(content.length), content);
    seen.push(undated(await client.head()));
    assertBytes(await client.read(content.length), content);
    await stage.saw("counted", nth);
  }
  return [seen, stage.behind.all.length, await fate(client)];
});

const excess: Readonly<Record<string, string>> = {
  "something else": "no HTTP at all",
  "another answer": `${answer(5)}wrong`,
};

for (const [what, extra] of Object.entries(excess))
  scene(`${what} behind a body reaches nobody`, { peersOnly: true }, async (stage) => {
    const [first, second] = [body(9), body(10)];
    const client = await stage.client();
    client.socket.write(head("GET", stage.proxy("pipe"), undefined));
    const behind = await stage.behind.accept();
    await behind.head();
    send(behind, answer(first.length), Buffer.concat([first, Buffer.from(extra)]));
    const seen = undated(await client.head());
    // How far the body had got when its sender broke the rules is the kernel's affair.
    const got = await client.read(first.length).catch(() => undefined);
    if (got !== undefined) assertBytes(got, first);
    const next = await stage.client();
    next.socket.write(head("GET", stage.proxy("pipe", 2), undefined));
    const other = await stage.behind.accept();
    await other.head();
    send(other, answer(second.length), second);
    const again = undated(await next.head());
    assertBytes(await next.read(second.length), second);
    return [seen, again, stage.behind.all.length, await fate(next)];
  });

scene("HTTP/1.0 uploads, and is answered", { native: 1 }, async (stage) => {
  const content = body(11);
  const client = await stage.client();
  send(client, head("POST", stage.upload("pipe"), content.length).replace("HTTP/1.1", "HTTP/1.0"), content);
  const seen = (await client.rest()).toString().replace(/^Date: .*$/m, "Date: NOW");
  assertBytes(stage.stored(), content);
  return seen;
});

scene("HTTP/1.0 at both ends of a proxy ends by closing", { native: 1 }, async (stage) => {
  const content = body(12);
  const client = await stage.client();
  client.socket.write(head("GET", stage.proxy("pipe"), undefined).replace("HTTP/1.1", "HTTP/1.0"));
  const behind = await stage.behind.accept();
  const asked = undated(await behind.head());
  send(behind, answer(content.length).replace("HTTP/1.1", "HTTP/1.0"), content);
  behind.socket.end();
  const got = undated(await client.head());
  const rest = await client.rest();
  assertBytes(rest, content);
  return [asked, got];
});

const bodiless: Readonly<Record<string, readonly [string, string]>> = {
  HEAD: ["HEAD", answer(4_000_000)],
  304: ["GET", answer(4_000_000).replace("200 OK", "304 Not Modified")],
  204: ["GET", answer(undefined).replace("200 OK", "204 No Content")],
};

for (const [what, [method, text]] of Object.entries(bodiless))
  scene(`${what} has no body, whatever length it tells`, { native: 0 }, async (stage) => {
    const client = await stage.client();
    client.socket.write(head(method, stage.proxy("pipe"), undefined));
    const behind = await stage.behind.accept();
    const asked = undated(await behind.head());
    behind.socket.write(text);
    return [asked, undated(await client.head()), await fate(client)];
  });

scene("answers before the answer, with lengths of their own, leave it whole", { native: 1 }, async (stage) => {
  const content = body(13);
  const client = await stage.client();
  client.socket.write(head("GET", stage.proxy("pipe"), undefined));
  const behind = await stage.behind.accept();
  await behind.head();
  const early = ["100 Continue", "103 Early Hints"].map((status) => answer(undefined).replace("200 OK", status));
  send(behind, ...early, answer(content.length), content);
  const seen = undated(await client.head());
  assertBytes(await client.read(content.length), content);
  return [seen, await fate(client)];
});

scene("two lengths that differ are refused", { native: 0 }, async (stage) => {
  const client = await stage.client();
  send(client, head("POST", "/upload/pipe", 4_000_000, "Content-Length: 5"), body(14, 5));
  return (await client.rest()).toString();
});

scene("the length that came counts, not what the app made of it", { native: 1 }, async (stage) => {
  const content = body(15);
  const client = await stage.client();
  send(client, head("POST", stage.upload("changed-headers"), content.length), content);
  const seen = await readAnswer(client);
  assertBytes(stage.stored(), content);
  return [seen, await fate(client)];
});

for (const way of ["chunked", "preceded"])
  scene(
    `a body of known length goes out in chunks (${way})`,
    { native: way === "chunked" ? 1 : undefined },
    async (stage) => {
      const content = body(16);
      const client = await stage.client();
      client.socket.write(head("GET", stage.proxy(way), undefined));
      const behind = await stage.behind.accept();
      await behind.head();
      send(behind, answer(content.length), content);
      const seen = undated(await client.head());
      const first = way === "preceded" ? "first and second" : "";
      assertBytes(await readChunks(client), Buffer.concat([Buffer.from(first), content]));
      return [seen, await fate(client)];
    },
  );

scene("a body of known length goes to the server behind in chunks", { native: 1 }, async (stage) => {
  const content = body(17);
  const client = await stage.client();
  send(client, head("PUT", stage.proxy("chunked-request"), content.length), content);
  const behind = await stage.behind.accept();
  const asked = undated(await behind.head());
  assertBytes(await readChunks(behind), content);
  behind.socket.write(`${answer(2)}ok`);
  return [asked, await readAnswer(client), await fate(client)];
});

scene("a body in chunks, and one that lasts until its connection ends, are Node's", { native: 0 }, async (stage) => {
  const content = body(18);
  const client = await stage.client();
  const chunk = Buffer.concat([
    Buffer.from(`${content.length.toString(16)}\r\n`),
    content,
    Buffer.from("\r\n0\r\n\r\n"),
  ]);
  send(client, head("POST", stage.upload("pipe"), undefined, "Transfer-Encoding: chunked"), chunk);
  const seen = await readAnswer(client);
  assertBytes(stage.stored(), content);
  client.socket.write(head("GET", stage.proxy("pipe", 2), undefined));
  const behind = await stage.behind.accept();
  await behind.head();
  send(behind, answer(undefined), content);
  behind.socket.end();
  const got = undated(await client.head());
  const came = await readChunks(client);
  assert.is(came.equals(content), true);
  return [seen, got];
});

scene("bodies below the bar, and none at all, come as they do", {}, async (stage) => {
  const client = await stage.client();
  const seen: unknown[] = [];
  for (const [index, length] of [0, 1, 1023, 1024, 1025, 65_536, 300_000].entries()) {
    const content = body(20 + index, length);
    send(client, head("POST", stage.upload("pipe", index + 1), length), content);
    seen.push(await readAnswer(client));
    assertBytes(stage.stored(index + 1), content);
  }
  return [seen, await fate(client)];
});

run();
