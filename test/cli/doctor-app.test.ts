/** `sluice doctor --app`: running apps that know nothing of it, and what they tell to whom. */
import { execFileSync, spawn } from "node:child_process";
import {
  chmodSync,
  existsSync,
  linkSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { createServer as createPlainServer, get } from "node:http";
import { type AddressInfo, createServer } from "node:net";
import { join } from "node:path";
import process from "node:process";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { root } from "../support/root.ts";
import { candidates, locate } from "../support/runtimes.ts";
import { tempFolder } from "../support/temp.ts";
import { waitFor } from "../support/wait.ts";
import { App, type AppOptions } from "../http/support/app.ts";
import { withProgram } from "../http/support/programs.ts";
import { cli, type CliOptions, main, parseJson } from "./cli.ts";

const test = suite("doctor --app");

const preload = ["--import", "sluice/register"];
const length = 300_000;

const folder = tempFolder();
writeFileSync(join(folder, "film.bin"), Buffer.alloc(length, "film"));
writeFileSync(join(folder, "page.html"), "<p>a page</p>".repeat(5000));
writeFileSync(join(folder, "empty.bin"), "");
chmodSync(folder, 0o755);

interface Told {
  readonly code: number | undefined;
  readonly native: boolean;
  readonly told: boolean;
  readonly strategy: string | null;
  readonly bytes: number;
  readonly reason: string;
  readonly remedy: string | null;
  readonly app: { readonly pid: number; readonly program: string; readonly uid: number } | null;
  readonly answer: { readonly status: number; readonly bytes: number } | null;
}

async function ask(url: string, options?: CliOptions): Promise<Told> {
  const end = await cli(["doctor", "--json", "--app", url], options);
  assert.is(end.stderr, "");
  const told = { ...parseJson(end), code: end.code } as unknown as Told;
  assert.is(told.code, told.native ? 0 : 1);
  return told;
}

const express = (more: Partial<AppOptions> = {}) =>
  App.start({ script: "express", args: [folder, "express"], execArgv: preload, ...more });

const at = ({ port }: { readonly port: number }, path: string) => `http://127.0.0.1:${port}/${path}`;

function assertNative(told: Told): void {
  assert.is(told.native, true, JSON.stringify(told));
  assert.equal([told.told, told.strategy, told.bytes, told.answer?.bytes], [true, "sendfile", length, length]);
  assert.is(told.remedy, null);
}

function assertWay(told: Told, reason: RegExp, remedy: RegExp): void {
  assert.is(told.native, false, JSON.stringify(told));
  assert.match(told.reason, reason);
  assert.match(String(told.remedy), remedy);
}

test("a file of Express goes by sendfile", async () => {
  await using app = await express();
  assertNative(await ask(at(app, "static/film.bin")));
  assertNative(await ask(`http://localhost:${app.port}/static/film.bin`));
  assertNative(await ask(at(app, "send-file/film.bin")));
});

test("people are told the same in words", async () => {
  await using app = await express();
  const good = await cli(["doctor", "--app", at(app, "static/film.bin")]);
  assert.is(good.code, 0, good.stderr);
  assert.match(good.stdout.toString(), /way\s+past JavaScript, by sendfile/);
  const bad = await cli(["doctor", "--app", at(app, "compressed/page.html")]);
  assert.is(bad.code, 1);
  assert.match(bad.stdout.toString(), /compression\(\) is mounted\s+before the static files/);
  assert.match(bad.stdout.toString(), /remedy/);
});

test("compression() before the static files is named, with what to do", async () => {
  await using app = await express();
  const told = await ask(at(app, "compressed/page.html"));
  assertWay(
    told,
    /^the response's write has been replaced: compression\(\) is mounted before the static files$/,
    /behind the static files/,
  );
  assert.is(told.told, true);
});

for (const [script, routes] of [
  ["fastify", ["static/film.bin", "stream/film.bin"]],
  ["koa", ["send/film.bin", "stream/film.bin"]],
] as const)
  test(`files of ${script} go by sendfile`, async () => {
    await using app = await App.start({ script, args: [folder], execArgv: preload });
    for (const route of routes) assertNative(await ask(at(app, route)));
  });

test("`sluice/fetch` under sluice serve tells as well", async () => {
  const child = spawn(process.execPath, [main, "serve", folder, "--port", "0", "--host", "127.0.0.1"], { cwd: root });
  try {
    const port = await new Promise<number>((resolve, reject) => {
      let text = "";
      const look = (chunk: Buffer) => {
        text += chunk.toString();
        const [, found] = /127\.0\.0\.1:(\d+)/.exec(text) ?? [];
        if (found !== undefined) resolve(Number(found));
      };
      child.stderr.on("data", look);
      child.stdout.on("data", look);
      child.once("exit", () => reject(new Error(text)));
    });
    assertNative(await ask(at({ port }, "film.bin")));
  } finally {
    child.kill();
  }
});

test("answers that are no file are told as what they are", async () => {
  await using app = await express();
  assertWay(await ask(at(app, "static/nothing.bin")), /answered 404/, /a file that the app serves/);
  assertWay(await ask(at(app, "static/empty.bin")), /nothing to send/, /has some/);
  assertWay(await ask(at(app, "ping")), /no file was piped/, /createReadStream/);
  assertWay(await ask(at(app, "static")), /answered 30\d, and leads to \/static\//, /leads to/);
});

test("an app without the preload, without the engine, or switched off", async () => {
  {
    await using app = await express({ execArgv: [] });
    const told = await ask(at(app, "static/film.bin"));
    assertWay(told, /not loaded/, /--import sluice\/register/);
    assert.is(told.told, false);
  }
  {
    await using app = await express({ env: { SLUICE_LIBRARY: "/nonexistent/libsluice.so" } });
    const told = await ask(at(app, "static/film.bin"));
    assertWay(told, /\/nonexistent\/libsluice\.so/, /sluice doctor/);
    assert.is(told.told, true);
  }
  for (const name of ["SLUICE_DISABLE", "SLUICE_DISABLE_NATIVE"]) {
    await using app = await express({ env: { [name]: "1" } });
    assertWay(await ask(at(app, "static/film.bin")), /switched off/, /without SLUICE_DISABLE/);
  }
});

await withProgram(test, "openssl", "TLS, and HTTP where TLS is spoken", async () => {
  const pem = join(tempFolder(), "pem");
  const request = ["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", "-subj", "/CN=localhost"];
  execFileSync("openssl", [...request, "-keyout", pem, "-out", `${pem}.crt`], { stdio: "ignore" });
  writeFileSync(pem, readFileSync(`${pem}.crt`), { flag: "a" });
  await using app = await App.start({ script: "secure", args: [folder, pem], execArgv: preload });
  assertWay(await ask(`https://localhost:${app.port}/film.bin`), /^TLS encrypts in the process$/, /End TLS in a proxy/);
  assertWay(await ask(at(app, "film.bin")), /doesn't speak HTTP\/1\.1/, /https:/);
});

test("HTTP/2 alone", async () => {
  await using app = await App.start({ script: "http2", args: [folder], execArgv: preload });
  assertWay(await ask(at(app, "film.bin")), /doesn't speak HTTP\/1\.1/, /HTTP\/2/);
});

test("nobody there, another machine, wrong usage", async () => {
  const server = createServer().listen(0, "127.0.0.1");
  await new Promise((resolve) => server.once("listening", resolve));
  const { port } = server.address() as AddressInfo;
  server.close();
  assertWay(await ask(at({ port }, "")), /not in sight/, /Start the app/);
  assertWay(await ask("http://192.0.2.1/film.bin"), /another machine/, /Run the doctor there/);
  for (const args of [
    ["--app", "film.bin"],
    ["--app", "ftp://localhost/"],
    ["--app", "http://localhost/", "/tmp"],
  ]) {
    const { code, stdout, stderr } = await cli(["doctor", ...args]);
    assert.is(code, 2);
    assert.is(stdout.toString(), "");
    assert.match(stderr, /^sluice: .*--app/);
  }
});

test("a server of Bun's says what is possible there", async () => {
  const bun = candidates.usual.find(({ name }) => name === "bun");
  if (bun === undefined) throw new Error("Bun is not among the runtimes");
  const [program] = (await locate(bun)).command;
  const script = join(folder, "bun.ts");
  writeFileSync(
    script,
    `const { port } = Bun.serve({ port: 0, hostname: "127.0.0.1", fetch: () => new Response(Bun.file(process.argv[2])) });
     console.log(port);`,
  );
  const child = spawn(program, [script, join(folder, "film.bin")]);
  try {
    const port = await new Promise<number>((resolve) => child.stdout.once("data", (text) => resolve(Number(text))));
    assertWay(await ask(at({ port }, "")), /Bun's servers tell no report/, /sendfile/);
  } finally {
    child.kill();
  }
});

// What follows is about who is told.

const header = "sluice-doctor";
const token = "0123456789abcdef0123456789abcdef";
const question = `/dev/shm/sluice-doctor-${token}`;

/** Asks as a stranger does that knows the header: the answer's head and its length. */
function fetchWith(port: number, value: string): Promise<{ head: string; length: number }> {
  return new Promise((resolve, reject) => {
    const request = get({
      port,
      host: "127.0.0.1",
      path: "/static/film.bin",
      agent: false,
      headers: { [header]: value },
    });
    request.once("error", reject);
    request.once("response", (response) => {
      let bytes = 0;
      response.on("data", (chunk: Buffer) => (bytes += chunk.length));
      response.once("end", () => {
        const named = Object.entries(response.headers).filter(([name]) => name !== "date");
        resolve({ head: JSON.stringify(named), length: bytes });
      });
    });
  });
}

test("a request with the header gets the very same answer, and no file comes to be", async () => {
  await using app = await express();
  const plain = await fetchWith(app.port, "");
  for (const value of [token, `../../tmp/${token}`, "x".repeat(5000), token.toUpperCase()])
    assert.equal(await fetchWith(app.port, value), plain);
  assert.not.ok(existsSync(question));
});

/** Asks by the question that lies there, and waits until the app has told its channel: what it answers comes before. */
async function askAndSettle(app: App): Promise<void> {
  await app.published();
  assert.is((await fetchWith(app.port, token)).length, length);
  await waitFor("the app to tell", async () => (await app.published()).length > 0);
}

/** Lays a file that is no question of this user's, and asserts that nothing is written to it. */
async function assertUntouched(app: App, lay: (victim: string) => string): Promise<void> {
  const victim = join(tempFolder("/dev/shm"), "victim");
  writeFileSync(victim, "");
  chmodSync(victim, 0o600);
  const laid = lay(victim);
  try {
    await askAndSettle(app);
    assert.is(readFileSync(laid, "utf8"), "");
    assert.is(readFileSync(victim, "utf8"), "");
  } finally {
    rmSync(question, { force: true });
  }
}

test("nothing is written where the file is a link, has two names, or is open to others", async () => {
  await using app = await express();
  // One that may be answered: so the others would be.
  writeFileSync(question, "", { mode: 0o600 });
  try {
    await askAndSettle(app);
    assert.match(readFileSync(question, "utf8"), /"native":/);
  } finally {
    rmSync(question);
  }
  await assertUntouched(app, (victim) => (symlinkSync(victim, question), question));
  await assertUntouched(app, (victim) => (linkSync(victim, question), question));
  await assertUntouched(app, () => {
    writeFileSync(question, "");
    chmodSync(question, 0o666);
    return question;
  });
});

const nobody = 65_534;
const asNobody = ["setpriv", `--reuid=${nobody}`, `--regid=${nobody}`, "--clear-groups"] as const;

if (process.getuid?.() === 0) {
  await withProgram(test, "setpriv", "another user is told nothing", async () => {
    await using app = await express();
    const told = await ask(at(app, "static/film.bin"), { command: [...asNobody, process.execPath] });
    assertWay(told, /another user's \(uid 0\)/, /as that user/);
    assert.equal([told.told, told.app, told.answer], [false, null, null]);
    // Nor by a question of its own making.
    await assertUntouched(app, () => {
      const [program, ...options] = asNobody;
      execFileSync(program, [...options, "sh", "-c", `umask 077; : > ${question}`]);
      return question;
    });
  });

  await withProgram(test, "setpriv", "root asks the app of another user", async () => {
    const [program, ...options] = asNobody;
    await using app = await express({ execPath: program, execArgv: [...options, process.execPath, ...preload] });
    const told = await ask(at(app, "static/film.bin"));
    assertNative(told);
    assert.is(told.app?.uid, nobody);
    assertNative(await ask(at(app, "static/film.bin"), { command: [...asNobody, process.execPath] }));
  });

  /** The app of a container: with mounts of its own, prepared by a script. */
  const contained = (script: string) =>
    express({
      execPath: "unshare",
      execArgv: ["--mount", "sh", "-c", `${script} && exec "$@"`, "sh", process.execPath, ...preload],
    });

  await withProgram(test, "unshare", "an app in a container with a /dev/shm of its own is asked", async () => {
    await using app = await contained("mount -t tmpfs none /dev/shm");
    assertNative(await ask(at(app, "static/film.bin")));
  });

  await withProgram(test, "unshare", "a container's link leads nobody out of it", async () => {
    const outside = tempFolder("/dev/shm");
    const link = `mount -t tmpfs none /dev && ln -s ${outside} /dev/shm && mknod /dev/null c 1 3 && mknod /dev/urandom c 1 9`;
    // The folder of the host's, by the host's own mount: as /proc/PID/root leads to it.
    await using app = await contained(`${link} && mkdir -p /tmp`);
    const end = await cli(["doctor", "--app", at(app, "static/film.bin")]);
    assert.is(end.code, 1, end.stdout.toString());
    assert.match(end.stderr, /no mount of the app's container/);
    assert.equal(readdirSync(outside), []);
  });
} else test.skip("another user is told nothing: only root has one at hand");

test("a server of this process, which has no preload", async () => {
  const server = createPlainServer((_request, response) => void response.end("x".repeat(length)));
  await new Promise<void>((resolve) => void server.listen(0, "127.0.0.1", resolve));
  try {
    const { port } = server.address() as AddressInfo;
    const told = await ask(at({ port }, ""));
    assertWay(told, /not loaded/, /sluice\/register/);
    assert.is(told.answer?.bytes, length);
  } finally {
    server.close();
  }
});

test.run();
