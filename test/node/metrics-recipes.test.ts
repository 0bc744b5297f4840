/** The programs of docs/metrics.md, as they stand there, in an app that sends files: scraped over HTTP. */
import { type ChildProcess, spawn } from "node:child_process";
import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { freePort } from "../support/ports.ts";
import { root } from "../support/root.ts";
import { tempFolder } from "../support/temp.ts";
import { waitFor } from "../support/wait.ts";

const test = suite("recipes of docs/metrics.md");

const page = readFileSync(join(root, "docs/metrics.md"), "utf8");

/** The programs of the page by their names. */
const recipes = new Map(
  [...page.matchAll(/^```js run=(\S+)\n([^]*?)^```$/gm)].map(([, name = "", code = ""]) => [name, code]),
);

/** The app around a recipe: two files that go to a socket, one of which is compressed on its way. */
const app = `
import { writeFileSync } from "node:fs";
import { once } from "node:events";
import { connect, createServer } from "node:net";
import { createGzip } from "node:zlib";
import { createReadStream, promises, verify } from "sluice/stream";
import "./recipe.mjs";

await verify();
writeFileSync("file", Buffer.alloc(300_000, 1));
const server = createServer((socket) => socket.resume()).listen(0, "127.0.0.1");
await once(server, "listening");
for (const between of [[], [createGzip()]])
  await promises.pipeline(createReadStream("file"), ...between, connect(server.address().port, "127.0.0.1"));
console.log("sent");
`;

const started: ChildProcess[] = [];
test.after.each(() => {
  for (const child of started.splice(0)) child.kill("SIGKILL");
});

/** What is scraped of a recipe when the files have been sent. */
async function scrape(name: string): Promise<string> {
  const folder = tempFolder();
  const modules = join(folder, "node_modules");
  mkdirSync(modules);
  symlinkSync(root, join(modules, "sluice"));
  for (const each of ["prom-client", "@opentelemetry"])
    symlinkSync(join(root, "node_modules", each), join(modules, each));
  const port = await freePort();
  writeFileSync(join(folder, "recipe.mjs"), (recipes.get(name) ?? "").replace("9464", String(port)));
  writeFileSync(join(folder, "app.mjs"), app);
  const child = spawn(process.execPath, ["app.mjs"], { cwd: folder, stdio: ["ignore", "pipe", "pipe"] });
  started.push(child);
  let output = "";
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding("utf8").on("data", (text: string) => (output += text));
  await waitFor("the files to be sent", () => output.includes("sent\n") || child.exitCode !== null);
  assert.is(child.exitCode, null, output);
  const answer = await fetch(`http://127.0.0.1:${port}/metrics`);
  assert.match(answer.headers.get("content-type") ?? "", /^text\/plain/);
  return answer.text();
}

/** The values of a series by its labels, whatever is added to them. */
function seriesOf(text: string, name: string): Map<string, number> {
  const lines = [...text.matchAll(new RegExp(`^${name}(\\{.*\\})? (\\S+)`, "gm"))];
  return new Map(lines.map(([, labels = "", value]) => [/way="([^"]*)"/.exec(labels)?.[1] ?? labels, Number(value)]));
}

test("there are three of them", () => {
  assert.equal([...recipes.keys()], ["prometheus", "prom-client", "opentelemetry"]);
});

for (const name of recipes.keys())
  test(`${name}: streams and bytes by way, and what the engine holds`, async () => {
    const text = await scrape(name);
    const handedOver = [...seriesOf(text, "sluice_streams_total")].filter(([way]) => way !== "portable");
    assert.equal(
      handedOver.map(([, count]) => count),
      [1],
      text,
    );
    assert.is(seriesOf(text, "sluice_streams_total").get("portable"), 1);
    assert.equal([...seriesOf(text, "sluice_stream_bytes_total").values()], [300_000, 300_000], text);
    assert.match(
      text,
      /^sluice_stream_bytes_total\{.*reason="the target is not a response, socket or file but Gzip".*\}/m,
    );
    const [descriptors = 0] = seriesOf(text, "sluice_engine_descriptors").values();
    assert.ok(descriptors > 0, text);
    assert.match(text, /^# TYPE sluice_streams_total counter$/m);
    assert.match(text, /^# TYPE sluice_engine_descriptors gauge$/m);
  });

test.run();
