/** Scenes of a client, an app and a server behind it: played with the preload and without, and compared in all that can be told. */
import { once } from "node:events";
import { readFileSync, statSync } from "node:fs";
import { type AddressInfo, createServer, type Server } from "node:net";
import { join } from "node:path";
import process from "node:process";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { data, MiB } from "../../contract/support/files.ts";
import { tempFolder } from "../../support/temp.ts";
import { settles, waitFor } from "../../support/wait.ts";
import type { Entry } from "../apps/recorder.ts";
import type { App, AppOptions } from "./app.ts";
import { assertSameCourse, assertSameEvents, hasEngine, startPair } from "./compare.ts";
import { type Head, RawClient } from "./raw.ts";

/** Compares Node with itself: a scene that fails then says nothing of the preload. */
const isStock = process.env["SLUICE_TEST_STOCK"] !== undefined;

/** Bodies from here on are to pass JavaScript by; smaller ones are the preload's own affair. */
export const bar = MiB;

/** A body well above the bar, of an odd length, that no other exchange has. */
export const body = (seed: number, length = 4 * bar + 13): Buffer => data(length, seed);

/** The server behind: connections that the scene serves by hand. */
class Behind implements Disposable {
  readonly #server: Server;
  readonly #come: RawClient[] = [];
  readonly all: RawClient[] = [];

  private constructor(server: Server) {
    this.#server = server;
    server.on("connection", (socket) => {
      const connection = new RawClient(socket);
      this.#come.push(connection);
      this.all.push(connection);
    });
  }

  static async listen(): Promise<Behind> {
    const server = createServer().listen(0, "127.0.0.1");
    await once(server, "listening");
    return new Behind(server);
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  /** The next connection. */
  async accept(): Promise<RawClient> {
    await waitFor("a connection to the server behind", () => this.#come.length > 0);
    const [first] = this.#come.splice(0, 1);
    if (first === undefined) throw new Error("There is no connection");
    return first;
  }

  [Symbol.dispose](): void {
    this.#server.close();
    for (const { socket } of this.all) socket.destroy();
  }
}

/** One of the two apps, and everybody around it. */
export class Stage implements Disposable {
  readonly app: App;
  readonly behind: Behind;
  readonly #name: string;
  readonly #folder: string;
  readonly #clients: RawClient[] = [];
  readonly ids: string[] = [];

  constructor(app: App, behind: Behind, name: string, folder: string) {
    this.app = app;
    this.behind = behind;
    this.#name = name.replaceAll(/\W+/g, "-");
    this.#folder = folder;
  }

  async client(): Promise<RawClient> {
    const client = await RawClient.connect(this.app);
    this.#clients.push(client);
    return client;
  }

  #id(nth: number): string {
    const id = `${this.#name}-${nth}`;
    if (!this.ids.includes(id)) this.ids.push(id);
    return id;
  }

  /** The file of the nth upload. */
  path(nth = 1): string {
    return join(this.#folder, `${this.#name}-${nth}`);
  }

  stored(nth = 1): Buffer {
    return readFileSync(this.path(nth));
  }

  upload(way: string, nth = 1, file = `=${encodeURIComponent(this.path(nth))}`): string {
    return `/upload/${way}/${file}?case=${this.#id(nth)}&port=${this.behind.port}`;
  }

  proxy(way: string, nth = 1): string {
    return `/proxy/${way}?case=${this.#id(nth)}&port=${this.behind.port}`;
  }

  /** Waits until so many bytes of an upload lie in its file. */
  async arrived(bytes: number, nth = 1): Promise<void> {
    const size = () => statSync(this.path(nth), { throwIfNoEntry: false })?.size ?? 0;
    await waitFor(`${bytes} bytes of the upload`, () => size() >= bytes);
    assert.is(size(), bytes);
  }

  /** Does something to a body, once the app holds it. */
  async act(name: string, nth = 1): Promise<unknown> {
    await waitFor("a body to act on", async () => (await this.app.ask("isHeld", this.#id(nth))) === true);
    return await this.app.ask("act", this.#id(nth), name);
  }

  /** Waits until an exchange has come to an event. */
  async saw(event: string, nth = 1): Promise<void> {
    await waitFor(event, async () =>
      (await this.app.log(this.#id(nth))).entries.some((entry) => entry.event === event),
    );
  }

  [Symbol.dispose](): void {
    for (const { socket } of this.#clients) socket.destroy();
    this.behind[Symbol.dispose]();
  }
}

export interface Expected {
  /** How many bodies pass JavaScript by, or the least and the most; without it that is the preload's own affair. */
  readonly native?: number | readonly [number, number] | undefined;
  /** How far the streams were when it broke off is the kernel's affair. */
  readonly loose?: true;
  /** The order in which connections notice is the kernel's affair: the events are compared one emitter at a time. */
  readonly racing?: true;
  /** The connection's counts are compared: nothing but this exchange has used it, and no chunks. */
  readonly counts?: true;
  /** Node itself takes one course or another, or leaves streams open: only what the peers saw is compared. */
  readonly peersOnly?: true;
}

type Play = (stage: Stage) => Promise<unknown>;

export type Scene = (name: string, expected: Expected, play: Play) => void;

/** Sees to it that an exchange has the AsyncLocalStorage store of its own request, or none. */
function assertOwnContext(id: string, entries: readonly Entry[]): void {
  for (const { emitter, event, context } of entries)
    if (context !== undefined) assert.is(context, id, `${emitter} ${event} of ${id} has the store of ${context}`);
}

/** By emitters, of which each has its own order. */
const apart = (entries: readonly Entry[]) =>
  entries.map((entry) => ({
    ...entry,
    emitter: entry.emitter === "request" ? "request" : `outgoing ${entry.emitter}`,
  }));

async function playBoth(
  pair: Awaited<ReturnType<typeof startPair>>,
  folder: string,
  name: string,
  play: Play,
  leavesOpen = false,
) {
  const perform = async (app: App) => {
    using stage = new Stage(app, await Behind.listen(), app === pair.on ? `with ${name}` : `less ${name}`, folder);
    const seen = await play(stage);
    stage[Symbol.dispose]();
    const logs: (readonly Entry[])[] = [];
    for (const id of stage.ids) {
      const entries = await app.finished(id, leavesOpen);
      assertOwnContext(id, entries);
      logs.push(entries);
    }
    return { seen, logs };
  };
  // Where one fails the other is let come to its end: the next scene is not to meet it.
  const [on, off] = await Promise.allSettled([perform(pair.on), perform(pair.off)]);
  if (off.status === "rejected") throw off.reason;
  if (on.status === "rejected") throw on.reason;
  return { on: on.value, off: off.value };
}

/** A suite of scenes, which ends with a look at what the apps have open. `options` are the app's. */
export function scenes(title: string, options: Partial<AppOptions> = {}): { scene: Scene; run(): void } {
  const test = suite(title);
  const folder = tempFolder();
  const app = { script: "bodies", ...options, args: [folder, ...(options.args ?? [])] };
  const starting = isStock ? startPair(app, []) : startPair(app);
  let before: readonly string[] | undefined;
  const scene: Scene = (name, { native, loose, racing, counts, peersOnly }, play) =>
    test(name, async () => {
      const pair = await starting;
      before ??= await pair.on.descriptors();
      await pair.on.published();
      const { on, off } = await playBoth(pair, folder, name, play, peersOnly);
      assert.equal(on.seen, off.seen, "what the peers saw");
      assert.is(on.logs.length, off.logs.length);
      const kept = (log: readonly Entry[] = []) => log.filter(({ event }) => counts === true || event !== "counted");
      for (const index of on.logs.keys()) {
        const logs = { on: kept(on.logs[index]), off: kept(off.logs[index]) };
        const compared = racing === true ? { on: apart(logs.on), off: apart(logs.off) } : logs;
        if (peersOnly !== true) (loose === true ? assertSameCourse : assertSameEvents)(compared);
      }
      if (native === undefined || !hasEngine || isStock) return;
      const published = await pair.on.published();
      const taken = published.filter((each) => each.native).length;
      const [least, most] = typeof native === "number" ? [native, native] : native;
      const told = `past JavaScript: ${taken}, not ${String(native)}: ${JSON.stringify(published)}`;
      assert.ok(taken >= least && taken <= most, told);
    });
  return {
    scene,
    run() {
      test("nothing stays open", async () => {
        const { on } = await starting;
        // The pool of pipes has as many as were wanted at once, and what listens may have been closed.
        const kept = (all: readonly string[]) => all.filter((link) => !/^(pipe|anon_inode)/.test(link));
        const more = async () => {
          const left = kept(before ?? []);
          return kept(await on.descriptors()).filter((link) => {
            const found = left.indexOf(link);
            if (found >= 0) left.splice(found, 1);
            return found < 0;
          });
        };
        await settles(async () => (await more()).length === 0);
        assert.equal(await more(), []);
      });
      test.after(async () => await (await starting)[Symbol.asyncDispose]());
      test.run();
    },
  };
}

/** The head of a request with a body. */
export const head = (method: string, path: string, length: number | undefined, ...lines: readonly string[]): string =>
  [
    `${method} ${path} HTTP/1.1`,
    "Host: localhost",
    ...(length === undefined ? [] : [`Content-Length: ${length}`]),
    ...lines,
    "\r\n",
  ].join("\r\n");

/** The head of an answer with a body. */
export const answer = (length: number | undefined, ...lines: readonly string[]): string =>
  ["HTTP/1.1 200 OK", ...(length === undefined ? [] : [`Content-Length: ${length}`]), ...lines, "\r\n"].join("\r\n");

/** Sends pieces at once: what the connection doesn't take waits in it. */
export function send({ socket }: RawClient, ...pieces: readonly (string | Uint8Array)[]): void {
  for (const piece of pieces) socket.write(piece);
}

/** What of a head is the same whenever it comes. */
export const undated = ({ first, headers }: Head): unknown => ({
  first,
  ...headers,
  ...("date" in headers && { date: "NOW" }),
});

/** An answer with a short body. */
export async function readAnswer(client: RawClient): Promise<unknown> {
  const got = await client.head();
  const length = Number(got.headers["content-length"] ?? 0);
  if (got.headers["transfer-encoding"] !== "chunked")
    return { head: undated(got), text: String(await client.read(length)) };
  return { head: undated(got), text: String(await readChunks(client)) };
}

/** A body in chunks, put together: how it is cut is the sender's affair. */
export async function readChunks(client: RawClient): Promise<Buffer> {
  const line = async () => {
    let text = "";
    while (!text.endsWith("\r\n")) text += (await client.read(1)).toString("latin1");
    return text.trimEnd();
  };
  const chunks: Buffer[] = [];
  for (let size; (size = Number.parseInt(await line(), 16)) > 0;) {
    chunks.push(await client.read(size));
    await line();
  }
  await line();
  return Buffer.concat(chunks);
}

/** Whether a connection serves on. Whatever else still came is told. */
export async function fate(client: RawClient): Promise<string> {
  if (client.socket.destroyed || !client.socket.writable) return "closed";
  client.request("/ping");
  const rest = await client.head().catch(() => undefined);
  if (rest === undefined) return "closed";
  return rest.status === 200 ? `kept, ${await client.read(4)}` : rest.first;
}
