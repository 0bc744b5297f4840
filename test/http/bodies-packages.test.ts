/** Proxies from npm, unchanged, in both directions, and multer; curl and wrk as clients; nginx and HAProxy on either side. */
import { execFile } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import * as http from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { promisify } from "node:util";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { fetchTools } from "../package/bundlers.ts";
import { digest, sha256 } from "../support/data.ts";
import { tempFolder } from "../support/temp.ts";
import { App } from "./support/app.ts";
import { hasEngine, preload } from "./support/compare.ts";
import { startHaproxy, startNginx } from "./support/fronts.ts";
import { withProgram } from "./support/programs.ts";
import { bar, body } from "./support/scene.ts";

const run = promisify(execFile);
const test = suite("packages that proxy");
const scratch = tempFolder();
const [there, back] = [body(600, 4 * bar + 11), body(601, 5 * bar + 17)];
const path = join(scratch, "there");
writeFileSync(path, there);

/** The server behind: it answers with a body, and tells what came. */
const behind = http.createServer((request, response) => {
  void digest(request).then(({ bytes, sha256: hash }) => {
    if (request.method === "GET") return response.writeHead(200, { "content-length": back.length }).end(back);
    return response.end(`${bytes} ${hash}`);
  });
});
await new Promise<void>((resolve) => behind.listen(0, "127.0.0.1", resolve));
const upstream = `http://127.0.0.1:${(behind.address() as AddressInfo).port}`;

const tools = await fetchTools("proxies");

const curl = async (...args: readonly string[]): Promise<Buffer> => {
  const { stdout } = await run("curl", ["--silent", "--show-error", "--max-time", "60", ...args], {
    encoding: "buffer",
    maxBuffer: 64 * bar,
  });
  return stdout;
};

async function assertNatives(app: App, least: number): Promise<void> {
  const published = await app.published();
  const natives = published.filter(({ native }) => native).length;
  if (hasEngine)
    assert.ok(natives >= least, `${natives} of ${least} went past JavaScript: ${JSON.stringify(published)}`);
}

/** A GET and a PUT by curl, whose bodies are compared. */
async function bothWays(url: string): Promise<void> {
  assert.is(sha256(await curl(url)), sha256(back));
  const told = String(await curl("--upload-file", path, "--header", "Expect:", url));
  assert.is(told, `${there.length} ${sha256(there)}`);
}

const startPackage = (name: string, folder: string, to = upstream) =>
  App.start({ script: "packages", args: [folder, name, to], execArgv: ["--no-warnings", ...preload] });

for (const name of ["http-proxy", "http-proxy-middleware", "express-http-proxy", "@fastify/http-proxy", "fast-proxy"])
  await withProgram(test, "curl", `${name} hands bodies on in both directions`, async () => {
    if ("reason" in tools) return console.log(`note: ${tools.reason}`);
    await using app = await startPackage(name, tools.folder);
    await bothWays(`http://127.0.0.1:${app.port}/`);
    await assertNatives(app, 2);
    return undefined;
  });

await withProgram(test, "curl", "multer gets what it got, by Node's own way", async () => {
  if ("reason" in tools) return console.log(`note: ${tools.reason}`);
  const folder = tempFolder();
  mkdirSync(join(folder, "uploads"));
  await using app = await App.start({
    script: "packages",
    args: [tools.folder, "multer", folder],
    execArgv: ["--no-warnings", ...preload],
  });
  const told = JSON.parse(String(await curl("--form", `file=@${path}`, `http://127.0.0.1:${app.port}/`))) as {
    path: string;
  };
  assert.is(sha256(readFileSync(told.path)), sha256(there));
  assert.is((await app.published()).filter(({ native }) => native).length, 0);
  return undefined;
});

await withProgram(test, "wrk", "wrk gets whole answers through http-proxy", async () => {
  if ("reason" in tools) return console.log(`note: ${tools.reason}`);
  await using app = await startPackage("http-proxy", tools.folder);
  // It leaves in the midst of its last answers.
  const { stdout } = await run("wrk", ["-t1", "-c4", "-d1s", `http://127.0.0.1:${app.port}/`]);
  assert.match(stdout, /[1-9]\d* requests in/);
  assert.not.match(stdout, /Socket errors|Non-2xx/);
  await bothWays(`http://127.0.0.1:${app.port}/`);
  await assertNatives(app, 3);
  return undefined;
});

const others = { nginx: startNginx, haproxy: startHaproxy } as const;

for (const [program, start] of Object.entries(others)) {
  await withProgram(test, program, `${program} is the server behind`, async () => {
    if ("reason" in tools || !existsSync("/usr/bin/curl")) return;
    await using other = await start(tempFolder(), upstream);
    await using app = await startPackage("http-proxy", tools.folder, other.url);
    await bothWays(`http://127.0.0.1:${app.port}/`);
    await assertNatives(app, 2);
  });
  await withProgram(test, program, `${program} stands before`, async () => {
    if ("reason" in tools || !existsSync("/usr/bin/curl")) return;
    await using app = await startPackage("http-proxy", tools.folder);
    await using other = await start(tempFolder(), `http://127.0.0.1:${app.port}`);
    await bothWays(other.url);
    await assertNatives(app, 2);
  });
}

test.after(() => {
  behind.close();
  behind.closeAllConnections();
});
test.run();
