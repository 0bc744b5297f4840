/** Clients that servers meet: curl, wget, undici and Chromium, against Express and bare node:http. */
import { execFile } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, readFileSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { Agent, request } from "undici";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { assertBytes, MiB } from "../contract/support/files.ts";
import { digest, sha256 } from "../support/data.ts";
import { tempFolder } from "../support/temp.ts";
import type { App } from "./support/app.ts";
import { assertTaken, both, startPair, type Taken } from "./support/compare.ts";
import { makeContent } from "./support/content.ts";
import { withProgram } from "./support/programs.ts";
import { comparable, visit } from "./support/visit.ts";

const content = makeContent();
const whole = content.bytes["16m"];
const scratch = tempFolder();
const express = await startPair({ script: "express", args: [content.folder, "express"] });
const plain = await startPair({ script: "plain", args: [content.folder] });
const test = suite("clients");

// Their events are not compared: these close their connection at the last byte, which Node, having yet to read the end
// of the file, may see first and take for an abort.

interface Ended {
  readonly code: number;
  readonly stdout: string;
}

/** Runs a client to its end, in an empty folder. */
async function run(program: string, args: readonly string[]): Promise<Ended & { readonly folder: string }> {
  const folder = mkdtempSync(join(scratch, `${program}-`));
  const running = promisify(execFile)(program, args, { cwd: folder, timeout: 300_000, maxBuffer: 64 * MiB });
  const ended = await running.then(
    ({ stdout }) => ({ code: 0, stdout }),
    (error: Ended) => ({ code: error.code, stdout: error.stdout }),
  );
  return { ...ended, folder };
}

interface CurlCase {
  readonly path: string;
  readonly args?: readonly string[];
  readonly taken: Taken;
}

const large = "/static/16m.bin";

const curlCases: Readonly<Record<string, CurlCase>> = {
  "the whole file": { path: large, taken: true },
  "a range": { path: large, args: ["--range", "1000-9000999"], taken: true },
  "a suffix range": { path: large, args: ["--range", "-9000000"], taken: true },
  "several ranges": { path: large, args: ["--range", "0-99,1000-1099,-7"], taken: true },
  "HTTP/1.0": { path: large, args: ["--http1.0"], taken: true },
  "HTTP/1.0 keep-alive": { path: large, args: ["--http1.0", "--header", "connection: keep-alive"], taken: true },
  HEAD: { path: large, args: ["--head"], taken: false },
  "a condition on the time": { path: large, args: ["--time-cond", "1 Jan 2024"], taken: false },
  "a condition on the ETag": { path: large, args: ["--header", "if-none-match: *"], taken: false },
  "no such file": { path: "/static/missing", taken: false },
  "a small file": { path: "/static/1k.bin", taken: undefined },
  "a limited rate": { path: "/static/1m.bin", args: ["--limit-rate", "2M"], taken: true },
};

const undated = (head: string) => head.replaceAll(/^date: .*$/gim, "date: NOW");

/** What curl got: its exit code, the headers, and the body by its hash. */
async function curl(app: App, path: string, args: readonly string[]): Promise<unknown> {
  const all = ["--silent", "--output", "body", "--dump-header", "headers", ...args];
  const { code, folder } = await run("curl", [...all, `http://127.0.0.1:${app.port}${path}`]);
  const headers = undated(readFileSync(join(folder, "headers"), "latin1"));
  const body = join(folder, "body");
  // Where nothing comes curl makes no file. By --head it writes the headers there too, and their date with them.
  if (!existsSync(body)) return { code, headers, body: "none" };
  const bytes = readFileSync(body);
  return { code, headers, body: args.includes("--head") ? undated(bytes.toString("latin1")) : sha256(bytes) };
}

for (const [name, { path, args = [], taken }] of Object.entries(curlCases))
  await withProgram(test, "curl", `curl gets ${name} as it does without the preload`, async () => {
    await express.on.published();
    const id = `curl-${name.replaceAll(/\W/g, "-")}`;
    const got = await both(express, (app) => curl(app, `${path}?case=${id}`, args));
    assert.equal(got.on, got.off);
    await express.on.finished(id);
    await assertTaken(express.on, taken);
  });

for (const route of ["pipe", "chunked", "pipeline", "write-before"])
  await withProgram(
    test,
    "curl",
    `curl gets what /${route} sends by HTTP/1.0, to the end of the connection`,
    async () => {
      await plain.on.published();
      const id = `curl-old-${route}`;
      const got = await both(plain, (app) => curl(app, `/${route}/16m.bin?case=${id}`, ["--http1.0"]));
      assert.equal(got.on, got.off);
      await plain.on.finished(id);
      await assertTaken(plain.on, true);
    },
  );

await withProgram(test, "curl", "curl that expects 100-continue gets the file for its body", async () => {
  const body = join(scratch, "upload");
  writeFileSync(body, content.bytes["1m"]);
  const args = ["--header", "expect: 100-continue", "--data-binary", `@${body}`];
  const got = await both(plain, (app) => curl(app, "/pipe/16m.bin?case=expect", args));
  assert.equal(got.on, got.off);
  assert.match((got.on as { headers: string }).headers, /^HTTP\/1.1 100 Continue/);
});

await withProgram(test, "curl", "curl that gives up in the middle leaves nothing behind", async () => {
  const { on } = express;
  await visit(on, "warm-up", { path: large });
  const before = await on.descriptors();
  const args = ["--silent", "--output", "body", "--limit-rate", "1M", "--max-time", "1"];
  const { code } = await run("curl", [...args, `http://127.0.0.1:${on.port}${large}?case=given-up`]);
  assert.is(code, 28, "curl ran out of time");
  const entries = await on.finished("given-up");
  assert.ok(entries.some(({ emitter, event }) => emitter === "source" && event === "close"));
  await on.assertDescriptors(before);
});

await withProgram(test, "wget", "wget resumes a download that was broken off", async () => {
  await both(express, async (app) => {
    const folder = mkdtempSync(join(scratch, "wget-"));
    const path = join(folder, "16m.bin");
    writeFileSync(path, whole);
    truncateSync(path, 10_000_001);
    const url = `http://127.0.0.1:${app.port}${large}`;
    const { code } = await run("wget", ["--quiet", "--continue", "--directory-prefix", folder, url]);
    assert.is(code, 0);
    assertBytes(readFileSync(path), whole);
  });
});

test("undici gets file after file on one connection", async () => {
  const answers = await both(express, async (app) => {
    const dispatcher = new Agent({ connections: 1, pipelining: 1 });
    let connections = 0;
    dispatcher.on("connect", () => connections++);
    const seen: unknown[] = [];
    for (const size of ["16m", "1k", "300k", "empty", "64k", "1m"]) {
      const url = `http://127.0.0.1:${app.port}/static/${size}.bin`;
      const { statusCode, headers, body } = await request(url, { dispatcher });
      const raw = Object.entries(headers).flatMap(([name, value]) => [name, String(value)]);
      seen.push({ statusCode, headers: comparable(raw), ...(await digest(body)) });
    }
    await dispatcher.close();
    return { seen, connections };
  });
  assert.equal(answers.on, answers.off);
  assert.is(answers.on.connections, 1);
});

test("undici that aborts by a signal leaves nothing behind, and its next request is served", async () => {
  const { on } = express;
  await visit(on, "warm-up", { path: large });
  const before = await on.descriptors();
  const dispatcher = new Agent();
  const abort = new AbortController();
  const url = `http://127.0.0.1:${on.port}${large}`;
  const { body } = await request(`${url}?case=aborted`, { dispatcher, signal: abort.signal });
  await once(body, "readable");
  body.on("error", () => undefined);
  abort.abort();
  const entries = await on.finished("aborted");
  assert.ok(entries.some(({ emitter, event }) => emitter === "source" && event === "close"));
  const next = await request(url, { dispatcher });
  assert.is((await digest(next.body)).sha256, sha256(whole));
  await dispatcher.close();
  await on.assertDescriptors(before);
});

/** A page that hashes the large file twice and writes both hashes to where its document is dumped from. */
const page = `<!doctype html><title>waiting</title><script type="module">
  const hash = async (url) => {
    const bytes = await (await fetch(url, { cache: "no-store" })).arrayBuffer();
    const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
    return Array.from(digest, (byte) => byte.toString(16).padStart(2, "0")).join("");
  };
  const hashes = [await hash("16m.bin?case=first"), await hash("16m.bin?case=second")];
  document.title = hashes.join(" ");
</script>`;

await withProgram(test, "chromium", "Chromium downloads the file as it does without the preload", async () => {
  writeFileSync(join(content.folder, "page.html"), page);
  await express.on.published();
  const titles = await both(express, async (app) => {
    const flags = ["headless", "no-sandbox", "disable-gpu", "disable-background-networking", "no-first-run"];
    flags.push("disable-component-update", "disable-sync", "dump-dom", "virtual-time-budget=20000");
    flags.push(`user-data-dir=${mkdtempSync(join(scratch, "profile-"))}`);
    const url = `http://127.0.0.1:${app.port}/static/page.html`;
    const { stdout } = await run("chromium", [...flags.map((flag) => `--${flag}`), url]);
    return /<title>(.*)<\/title>/.exec(stdout)?.[1];
  });
  assert.is(titles.off, `${sha256(whole)} ${sha256(whole)}`);
  assert.is(titles.on, titles.off);
  assert.ok((await express.on.published()).filter(({ native, bytes }) => native && bytes === whole.length).length >= 2);
});

test.after(async () => {
  await Promise.all([express[Symbol.asyncDispose](), plain[Symbol.asyncDispose]()]);
});
test.run();
