/** Bodies that end before their length is reached, whoever is to blame, and peers that are slow. */
import * as assert from "uvu/assert";
import { assertBytes, MiB } from "../contract/support/files.ts";
import { waitFor } from "../support/wait.ts";
import { answer, body, fate, head, readAnswer, scenes, send, undated } from "./support/scene.ts";
import type { RawClient } from "./support/raw.ts";

const { scene, run } = scenes("bodies that break off");

const content = body(100, 8 * MiB);
/** What comes of them. */
const part = content.subarray(0, 3 * MiB + 5);

const farewells: Readonly<Record<string, (peer: RawClient) => unknown>> = {
  ends: ({ socket }) => socket.end(),
  resets: ({ socket }) => socket.resetAndDestroy(),
};

for (const [what, leave] of Object.entries(farewells)) {
  for (const way of ["pipe", "pipeline", "promised"])
    scene(`a client ${what} in the midst of an upload by ${way}`, { native: 1 }, async (stage) => {
      const client = await stage.client();
      send(client, head("POST", stage.upload(way), content.length), part);
      // The last KiB of what has come may be Node's to read: what came has been written all the same.
      await stage.arrived(part.length);
      leave(client);
      await client.rest();
      if (way !== "pipe") await stage.saw("concluded");
      else {
        await stage.saw("close");
        await stage.act("destroy-target");
      }
      assertBytes(stage.stored(), part);
      return client.error;
    });

  for (const way of ["held", "pipeline"])
    scene(`a client ${what} in the midst of a proxied upload by ${way}`, { native: 1, racing: true }, async (stage) => {
      const client = await stage.client();
      send(client, head("PUT", stage.proxy(way), content.length), part);
      const behind = await stage.behind.accept();
      const asked = undated(await behind.head());
      assertBytes(await behind.read(part.length), part);
      leave(client);
      await client.rest();
      if (way === "held") {
        await stage.saw("close");
        await stage.act("destroy-target");
      }
      const rest = await behind.rest();
      return [asked, rest.length];
    });

  for (const way of ["pipe", "pipeline", "chunked"])
    scene(
      `the server behind ${what} in the midst of its answer by ${way}`,
      { native: 1, racing: true },
      async (stage) => {
        const client = await stage.client();
        client.socket.write(head("GET", stage.proxy(way), undefined));
        const behind = await stage.behind.accept();
        await behind.head();
        send(behind, answer(content.length), part);
        const got = undated(await client.head());
        if (way !== "chunked") assertBytes(await client.read(part.length), part);
        else await client.read(part.length);
        leave(behind);
        const rest = await client.rest();
        return [got, way === "chunked" ? "" : rest.length, await fate(client)];
      },
    );

  for (const way of ["pipe", "pipeline"])
    scene(
      `a client ${what} in the midst of an answer by ${way}`,
      { native: 1, racing: true, peersOnly: true },
      async (stage) => {
        const client = await stage.client();
        client.socket.write(head("GET", stage.proxy(way), undefined));
        const behind = await stage.behind.accept();
        await behind.head();
        send(behind, answer(content.length), part);
        await client.head();
        assertBytes(await client.read(part.length), part);
        leave(client);
        await client.rest();
        await stage.saw("counted");
        // What is sent now is for nobody.
        send(behind, content.subarray(part.length));
        await stage.act("destroy");
        const other = await stage.client();
        return [await fate(other)];
      },
    );
}

for (const act of ["destroy", "fail", "destroy-target", "fail-target"])
  for (const way of ["pipe", "pipeline"])
    scene(`${act} in the midst of an upload by ${way}`, { native: 1, racing: true }, async (stage) => {
      const client = await stage.client();
      send(client, head("POST", stage.upload(way), content.length), part);
      await stage.arrived(part.length);
      await stage.act(act);
      if (way === "pipeline") await stage.saw("concluded");
      const came = await client.untilQuiet();
      // Whatever pipe() leaves open.
      for (const each of ["destroy", "destroy-target"]) await stage.act(each);
      assertBytes(stage.stored(), part);
      return /^HTTP\/1.1 (\d+)/.exec(came.toString())?.[1];
    });

for (const act of ["destroy", "fail", "destroy-response", "end-target"])
  scene(`${act} in the midst of an answer`, { native: 1, racing: true }, async (stage) => {
    const client = await stage.client();
    client.socket.write(head("GET", stage.proxy("pipe"), undefined));
    const behind = await stage.behind.accept();
    await behind.head();
    send(behind, answer(content.length), part);
    const got = undated(await client.head());
    assertBytes(await client.read(part.length), part);
    await stage.act(act);
    const came = await client.untilQuiet();
    for (const each of ["destroy-response", "destroy"]) await stage.act(each);
    return [got, came.length, (await behind.rest()).length];
  });

scene("an upload stops where nobody takes it, and its sender is held back", { native: 1 }, async (stage) => {
  // More than what the kernel may keep of two connections: up to 32 MiB at each receiver (tcp_rmem).
  const large = body(101, 96 * MiB);
  const client = await stage.client();
  send(client, head("PUT", stage.proxy("held"), large.length), large);
  const behind = await stage.behind.accept();
  await behind.head();
  const first = await behind.read(MiB);
  behind.socket.pause();
  let stood = 0;
  let last = -1;
  // It stands still when a second has brought nothing: buffers of two connections are all that it fills.
  await waitFor("the sender to be held back", () => {
    const { writableLength } = client.socket;
    stood = writableLength === last ? stood + 1 : 0;
    last = writableLength;
    return stood === 100;
  });
  assert.ok(client.socket.writableLength > 0 || client.socket.bytesWritten < large.length, "it all went somewhere");
  const rest = await behind.read(large.length - first.length);
  assertBytes(Buffer.concat([first, rest]), large);
  behind.socket.write(`${answer(2)}ok`);
  return [await readAnswer(client), await fate(client)];
});

scene("a slow client gets all, and the server behind is held back", { native: 1 }, async (stage) => {
  const large = body(102, 32 * MiB);
  const client = await stage.client();
  client.socket.write(head("GET", stage.proxy("pipe"), undefined));
  const behind = await stage.behind.accept();
  await behind.head();
  send(behind, answer(large.length), large);
  const got = undated(await client.head());
  const pieces: Buffer[] = [];
  for (let left = large.length; left > 0;) {
    const piece = await client.read(Math.min(left, 5 * MiB));
    pieces.push(piece);
    left -= piece.length;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  assertBytes(Buffer.concat(pieces), large);
  return [got, await fate(client)];
});

scene("a sender that takes its time is waited for", { native: 1 }, async (stage) => {
  const client = await stage.client();
  client.socket.write(head("POST", stage.upload("pipe"), content.length));
  for (let at = 0; at < content.length; at += MiB) {
    client.socket.write(content.subarray(at, at + MiB));
    if (at + MiB < content.length) await stage.arrived(at + MiB);
  }
  const seen = await readAnswer(client);
  assertBytes(stage.stored(), content);
  return [seen, await fate(client)];
});

run();
