/** SIGHUP: the log file is opened anew, the folder looked up again, and nothing ends. */
import { mkdirSync, readFileSync, renameSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { candidates } from "../support/runtimes.ts";
import { tempFolder } from "../support/temp.ts";
import { waitFor } from "../support/wait.ts";
import { clientOf, closeUpstreams, echo, exchange, startProxy, startUpstream } from "./proxying.ts";
import { endServers, failToServe, startServe } from "./serving.ts";

test.after.each(async () => {
  await endServers();
  closeUpstreams();
});

const linesOf = (path: string): string[] =>
  readFileSync(path, { encoding: "utf8", flag: "a+" }).split("\n").slice(0, -1);

for (const runtime of candidates.usual)
  for (const options of [[], ["--workers", "2"]])
    test(`serve ${options.join(" ")} reopens its log and looks its folder up again at SIGHUP (${runtime.name})`, async () => {
      const folder = tempFolder();
      for (const release of ["one", "two"]) {
        mkdirSync(join(folder, release));
        writeFileSync(join(folder, release, "file"), release);
      }
      const current = join(folder, "current");
      symlinkSync("one", current);
      const log = join(folder, "log");
      const serving = await startServe(runtime, current, "--log-file", log, ...options);
      const ask = async () => (await fetch(`${serving.url}file`, { headers: { connection: "close" } })).text();
      assert.is(await ask(), "one");
      await waitFor("a line", () => linesOf(log).length === 1);

      renameSync(log, `${log}.1`);
      rmSync(current);
      symlinkSync("two", current);
      process.kill(serving.pid, "SIGHUP");
      let asked = 0;
      // Each worker hears of it in its own time.
      for (let fresh = 0; fresh < 20; asked++) fresh = (await ask()) === "two" ? fresh + 1 : 0;
      await waitFor("the lines", () => linesOf(log).length + linesOf(`${log}.1`).length === 1 + asked);
      assert.ok(linesOf(log).length >= 10);

      rmSync(current);
      process.kill(serving.pid, "SIGHUP");
      await waitFor("the reason", () =>
        /^sluice: Cannot reload: no such file[^\n]*going on as before$/m.test(serving.stderr()),
      );
      assert.is(await ask(), "two");
      assert.is(serving.stdout(), "");
      process.kill(serving.pid, "SIGTERM");
      assert.is((await serving.ended).code, 0, serving.stderr());
    });

for (const runtime of candidates.usual)
  for (const options of [[], ["--workers", "2"]])
    test(`proxy ${options.join(" ")} reopens its log at SIGHUP, and keeps its connections (${runtime.name})`, async () => {
      const { address } = await startUpstream(echo("> "));
      const log = join(tempFolder(), "log");
      const all = ["--log-file", log, "--log-format", "json", ...options];
      const proxying = await startProxy(runtime, "127.0.0.1:0", [address], all);
      const kept = await clientOf(proxying);
      kept.write("kept ");
      assert.is((await exchange(proxying, "abc")).toString(), "> abc");
      await waitFor("a line", () => linesOf(log).length === 1);
      renameSync(log, `${log}.1`);
      process.kill(proxying.pid, "SIGHUP");
      let asked = 0;
      // Each worker hears of it in its own time.
      while (linesOf(log).length < 10) {
        assert.is((await exchange(proxying, "def")).toString(), "> def");
        asked++;
        await waitFor("the lines", () => linesOf(log).length + linesOf(`${log}.1`).length === 1 + asked);
      }
      process.kill(proxying.pid, "SIGHUP");
      const answer = text(kept);
      kept.end("on");
      assert.is(await answer, "> kept on");
      await waitFor("the last line", () => linesOf(log).length + linesOf(`${log}.1`).length === 2 + asked);
    });

test("a log that can't be opened is told at the start, and ends it", async () => {
  const [runtime] = candidates.usual;
  if (runtime === undefined) return assert.unreachable();
  const folder = tempFolder();
  const end = await failToServe(runtime, folder, "--port", "0", "--log-file", join(folder, "none", "log"));
  assert.is(end.code, 1);
  assert.match(end.stderr, /^sluice: Cannot serve [^\n]*: no such file or directory \(ENOENT, [^\n]*log\)\n$/);
});

test.run();
