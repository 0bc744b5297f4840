/** What a hand-over relies on in Node is tried before it is used: an app under a Node in which something of that is broken. */
import * as fs from "node:fs";
import { join } from "node:path";
import { pipeline, verify } from "sluice/stream";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { connect } from "../contract/support/connection.ts";
import { assertBytes, data, KiB, MiB } from "../contract/support/files.ts";
import { hasEngine } from "../http/support/compare.ts";
import { runChild } from "../support/child.ts";
import { tempFolder } from "../support/temp.ts";
import { settles } from "../support/wait.ts";

const test = suite("checks of what streams rely on");

interface Told {
  readonly native: boolean;
  readonly reason: string;
}

/** What the app below prints. */
interface Outcome {
  /** The stream that was there before anything had been tried. */
  readonly early: Told;
  readonly checks: readonly { readonly kind: string; readonly ok: boolean; readonly reason: string }[];
  readonly warnings: readonly string[];
  readonly upload: Told;
  readonly download: Told;
  /** Files of the trials that are open still, once what is closing has closed. */
  readonly left: number;
  /** Whether every byte arrived, of each. */
  readonly whole: readonly boolean[];
}

const app = `
import { once } from "node:events";
import fs from "node:fs";
import net from "node:net";
import { pipeline, promises, report, verify } from "sluice/stream";
const path = process.argv[1] + "/file", into = process.argv[1] + "/into";
const content = Buffer.from(Uint32Array.from({ length: 1 << 20 }, (_, i) => i).buffer);
fs.writeFileSync(path, content);
const warnings = [];
process.on("warning", ({ name, message }) => { if (name === "SluiceWarning") warnings.push(message); });
const told = (stream) => { const { native, reason } = report(stream) ?? {}; return { native, reason }; };
async function download() {
  const server = net.createServer((socket) => { const file = fs.createReadStream(path); pipeline(file, socket, () => server.emit("sent", file)); });
  await once(server.listen(0, "127.0.0.1"), "listening");
  const sent = once(server, "sent");
  const socket = net.connect(server.address().port, "127.0.0.1");
  const chunks = [];
  for await (const chunk of socket) chunks.push(chunk);
  const [file] = await sent;
  server.close();
  return { told: told(file), whole: Buffer.concat(chunks).equals(content) };
}
async function upload() {
  const server = net.createServer((socket) => { pipeline(socket, fs.createWriteStream(into), () => { socket.destroy(); server.emit("got", socket); }); });
  await once(server.listen(0, "127.0.0.1"), "listening");
  const got = once(server, "got");
  const socket = net.connect(server.address().port, "127.0.0.1");
  socket.on("error", () => {});
  socket.end(content);
  const [from] = await got;
  server.close();
  return { told: told(from), whole: fs.readFileSync(into).equals(content) };
}
const early = fs.createReadStream(path, { end: 9 });
await promises.pipeline(early, fs.createWriteStream(into));
const checks = await verify();
await verify();
const links = () => fs.readdirSync("/proc/self/fd").map((fd) => { try { return fs.readlinkSync("/proc/self/fd/" + fd); } catch { return ""; } });
const trialFiles = () => links().filter((link) => link.startsWith("/memfd:sluice")).length;
for (let looks = 0; looks < 300 && trialFiles() > 0; looks++) await new Promise((resolve) => setTimeout(resolve, 100));
const left = trialFiles();
const down = await download(), up = await upload();
await new Promise((resolve) => setImmediate(resolve));
console.log(JSON.stringify({ early: told(early), checks, left, warnings, upload: up.told, download: down.told, whole: [down.whole, up.whole] }));
`;

/** Plays the app after a script that changes something of Node's. */
async function play(change: string): Promise<Outcome> {
  const preload = `data:text/javascript,${encodeURIComponent(change)}`;
  const command = [process.execPath, "--import", preload, "--input-type=module", "--eval", app, tempFolder()] as const;
  const { code, output, stdout } = await runChild(command, 60_000);
  assert.is(code, 0, output);
  const outcome = JSON.parse(stdout) as Outcome;
  assert.is(outcome.left, 0, "files of the trials are open still");
  return outcome;
}

const broken = ({ checks }: Outcome) => checks.filter(({ ok }) => !ok).map(({ kind }) => kind);

test("hold on the Node at hand, and the first stream does not wait for them", async () => {
  if (!hasEngine) return;
  const outcome = await play("");
  assert.equal(broken(outcome), []);
  assert.equal(outcome.warnings, []);
  assert.equal(outcome.whole, [true, true]);
  assert.is(outcome.upload.native, true, outcome.upload.reason);
  assert.is(outcome.download.native, true, outcome.download.reason);
  assert.is(outcome.early.native, false);
  assert.match(outcome.early.reason, /being tried/);
});

/** Each breaks something that a kind of hand-over relies on, without which Node's own streams do. */
const changes: Readonly<Record<string, { change: string; kinds: readonly string[] }>> = {
  "the count of bytes that a file was given": {
    change: `import fs from "node:fs";
      Object.defineProperty(fs.WriteStream.prototype, "bytesWritten", { get() { return 0; }, set() {} });`,
    kinds: ["socket to file"],
  },
  "the order of an empty write among others": {
    change: `import { Duplex } from "node:stream";
      const { write, end } = Duplex.prototype;
      const later = (call) => setImmediate(() => setImmediate(call));
      Duplex.prototype.write = function (chunk, ...rest) {
        if (chunk.length === 0) return write.call(this, chunk, ...rest);
        later(() => write.call(this, chunk, ...rest));
        return true;
      };
      Duplex.prototype.end = function (...args) {
        later(() => later(() => end.apply(this, args)));
        return this;
      };`,
    kinds: ["file to socket"],
  },
  "the count of a parser": {
    change: `import { Socket } from "node:net";
      const { listeners } = Socket.prototype;
      Socket.prototype.listeners = function (event) {
        return listeners.call(this, event).map((listener) => {
          const told = (bytes) => listener.call(this, Buffer.concat([bytes, bytes.subarray(0, 1)]));
          return Object.defineProperty(told, "name", { value: listener.name });
        });
      };`,
    kinds: ["message to file", "message to response", "message to socket"],
  },
};

for (const [what, { change, kinds }] of Object.entries(changes))
  test(`fail where ${what} is not what it was, and streams go Node's way`, async () => {
    if (!hasEngine) return;
    const outcome = await play(change);
    for (const kind of kinds) assert.ok(broken(outcome).includes(kind), `${kind}: ${JSON.stringify(outcome.checks)}`);
    assert.equal(outcome.whole, [true, true]);
    assert.is(outcome.warnings.length, 1, "one warning");
    for (const kind of kinds) assert.ok(outcome.warnings[0]?.includes(kind));
    if (kinds.includes("socket to file")) {
      assert.is(outcome.upload.native, false);
      assert.match(outcome.upload.reason, /failed the trial of socket to file/);
    }
    if (kinds.includes("file to socket")) assert.is(outcome.download.native, false);
  });

/** Asks for answers that wait behind a large one, in the first moments of a process, and goes. */
const hasty = `
import { once } from "node:events";
import fs from "node:fs";
import http from "node:http";
import net from "node:net";
const path = process.argv[1] + "/file";
fs.writeFileSync(path, Buffer.alloc(8 << 20, 1));
const open = () => fs.readdirSync("/proc/self/fd").filter((fd) => { try { return fs.readlinkSync("/proc/self/fd/" + fd) === path; } catch { return false; } }).length;
let asked = 0;
const server = http.createServer((request, response) => { asked++; fs.createReadStream(path, { end: request.url === "/large" ? Infinity : 4095 }).pipe(response); });
await once(server.listen(0, "127.0.0.1"), "listening");
const client = net.connect(server.address().port, "127.0.0.1").on("error", () => {});
client.write("GET /large HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n" + "GET /small HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n".repeat(8));
while (asked < 9 || open() === 0) await new Promise((resolve) => setImmediate(resolve));
client.resetAndDestroy();
for (let looks = 0; looks < 300 && open() > 0; looks++) await new Promise((resolve) => setTimeout(resolve, 100));
console.log(JSON.stringify(open()));
process.exit();
`;

test("answers of a process's first moments leave no file open when their client goes", async () => {
  const flags = ["--import", "sluice/register", "--input-type=module", "--eval", hasty] as const;
  for (let round = 0; round < 3; round++) {
    const { code, output, stdout } = await runChild([process.execPath, ...flags, tempFolder()], 60_000);
    assert.is(code, 0, output);
    assert.is(stdout, "0\n");
  }
});

test("a read that the runtime makes beside the engine is an error, never a success with a hole", async () => {
  if (!hasEngine) return;
  await verify();
  const content = data(12 * MiB, 9);
  let told: unknown;
  for (let round = 0; round < 20 && told === undefined; round++) {
    using link = await connect();
    const into = join(tempFolder(), "into");
    const ended = new Promise<Error | undefined>((resolve) =>
      pipeline(link.socket, fs.createWriteStream(into), (error) => resolve(error ?? undefined)),
    );
    link.peer.on("error", () => {}).write(content.subarray(0, 8 * MiB));
    await settles(async () => link.socket.bytesRead === 8 * MiB);
    // Past what holds the handle, as a release of Node might.
    const handle = (link.socket as unknown as { _handle: { readStart(): number; readStop(): number } })._handle;
    (Object.getPrototypeOf(handle) as typeof handle).readStart.call(handle);
    for (let at = 8 * MiB; at < content.length; at += 64 * KiB) {
      link.peer.write(content.subarray(at, at + 64 * KiB));
      await new Promise((resolve) => setImmediate(resolve));
    }
    handle.readStop();
    link.peer.end();
    const error = await ended;
    if (error === undefined) assertBytes(fs.readFileSync(into), content);
    else told = (error as NodeJS.ErrnoException).code;
  }
  assert.is(told, "ERR_SLUICE_CHANGED");
});

test.run();
