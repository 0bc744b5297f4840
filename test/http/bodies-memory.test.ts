/** What bodies that come from a connection cost in memory: nothing that grows with them. All of it with `npm test -- --all`. */
import { rmSync } from "node:fs";
import { type AddressInfo, createServer, type Socket } from "node:net";
import { join } from "node:path";
import process from "node:process";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { data, GiB, MiB } from "../contract/support/files.ts";
import { digestFile } from "../support/data.ts";
import { tempFolder } from "../support/temp.ts";
import { App } from "./support/app.ts";
import { hasEngine, preload } from "./support/compare.ts";
import { RawClient } from "./support/raw.ts";
import { answer, head, readAnswer } from "./support/scene.ts";

const everything = process.env["SLUICE_TEST_ALL"] !== undefined;
const each = everything ? 256 * MiB : 32 * MiB;
const atOnce = 8;
/** What comes before, so that the runtime's own heap has grown as far as it likes to. */
const first = each / (everything ? 8 : 2);
/** What a server's memory may grow by while all of them are under way: a small part of what they are. */
const most = 128 * MiB;

/** Of an odd length, so that a piece that is lost or doubled is seen. */
const block = data(MiB - 7, 500);

/** What a body has at an offset, as far as its block goes. */
const from = (offset: number, length: number): Buffer => {
  const start = offset % block.length;
  return block.subarray(start, Math.min(block.length, start + length));
};

/** Sends a body as its peer takes it. */
async function pour(to: Socket, length: number): Promise<void> {
  const closed = new Promise((resolve) => to.once("close", resolve));
  for (let at = 0; at < length && !to.destroyed;) {
    const piece = from(at, length - at);
    if (!to.write(piece)) await Promise.race([new Promise((resolve) => to.once("drain", resolve)), closed]);
    at += piece.length;
  }
}

/** Reads a body and looks at every byte. */
async function drain(client: RawClient, length: number): Promise<void> {
  for (let at = 0; at < length;) {
    const expected = from(at, length - at);
    const got = await client.read(expected.length);
    assert.ok(got.equals(expected), `another byte within ${expected.length} of ${at}`);
    at += got.length;
  }
}

const folder = tempFolder();
const test = suite("memory");

/** Answers a GET with so many bytes, and a PUT when it has come, one after the other. */
async function answerAll(peer: RawClient): Promise<void> {
  for (;;) {
    const asked = await peer.head();
    const length = Number(asked.headers["x-length"]);
    if (asked.first.startsWith("GET")) {
      peer.socket.write(answer(length));
      await pour(peer.socket, length);
    } else {
      await drain(peer, length);
      peer.socket.write(`${answer(2)}ok`);
    }
  }
}

const wrong: string[] = [];
const behind = createServer((socket) => {
  answerAll(new RawClient(socket)).catch((error: Error) => {
    // Its end is no fault.
    if (!error.message.startsWith("The connection ended 1 bytes early")) wrong.push(error.message);
  });
});

type Act = (app: App, nth: number, length: number) => Promise<void>;

const port = () => (behind.address() as AddressInfo).port;

const directions: Readonly<Record<string, Act>> = {
  async upload(app, nth, length) {
    const client = await RawClient.connect(app);
    using _ = client;
    client.socket.write(head("POST", `/upload/pipe/${nth}?case=upload-${nth}`, length));
    await pour(client.socket, length);
    await readAnswer(client);
    const path = join(folder, String(nth));
    assert.is((await digestFile(path)).bytes, length);
    rmSync(path);
  },
  async "proxied answer"(app, nth, length) {
    const client = await RawClient.connect(app);
    using _ = client;
    const path = `/proxy/lasting-pipe?case=get-${nth}&port=${port()}`;
    client.socket.write(head("GET", path, undefined, `X-Length: ${length}`));
    await client.head();
    await drain(client, length);
  },
  async "proxied upload"(app, nth, length) {
    const client = await RawClient.connect(app);
    using _ = client;
    const path = `/proxy/lasting-pipe?case=put-${nth}&port=${port()}`;
    client.socket.write(head("PUT", path, length, `X-Length: ${length}`));
    await pour(client.socket, length);
    await readAnswer(client);
  },
};

for (const [direction, act] of Object.entries(directions))
  test(`${atOnce} of ${each / MiB} MiB at once leave it flat: ${direction}`, async () => {
    if (!hasEngine) return;
    if (!behind.listening) await new Promise<void>((resolve) => behind.listen(0, "127.0.0.1", resolve));
    await using app = await App.start({ script: "bodies", args: [folder], execArgv: preload });
    const all = (length: number) => Promise.all(Array.from({ length: atOnce }, (_, nth) => act(app, nth, length)));
    await all(first);
    const before = (await app.ask("peakMemory")) as number;
    await all(each);
    const after = (await app.ask("peakMemory")) as number;
    const natives = (await app.published()).filter(({ native }) => native).length;
    assert.equal(wrong, []);
    assert.ok(natives >= atOnce, `${natives} went past JavaScript`);
    assert.ok(after - before < most, `it grew by ${(after - before) / MiB} MiB`);
  });

if (everything)
  test("a body of more than 2^32 bytes comes to the byte", async () => {
    await using app = await App.start({ script: "bodies", args: [folder], execArgv: preload });
    await directions["proxied answer"]?.(app, 100, 4 * GiB + 5);
  });

test.after(() => void behind.close());
test.run();
