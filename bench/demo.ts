/** `npm start [-- FILE] [-- --json]`: what each mechanism costs to send a real file over a real connection. */
import { SingleBar } from "cli-progress";
import { constants } from "node:fs";
import { open, rename, stat } from "node:fs/promises";
import { tmpdir, userInfo } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { capabilities } from "sluice";
import { strategies } from "#core/plan/strategies.js";
import { contest } from "./demo/contest.ts";
import { conclude, page, type DemoRow } from "./demo/view.ts";
import type { Mechanism } from "./subjects/sending.ts";
import { environment } from "./support/environment.ts";
import { payload, scratchFolder, sha256, writePayload } from "./support/files.ts";
import { straceObstacle } from "./support/syscalls.ts";

const mebibyte = 1024 * 1024;
const demoBytes = 256 * mebibyte;
/** The reader keeps what it receives in memory until it is hashed. */
const mostBytes = 1024 * mebibyte;
const rounds = 3;
const native = ["buffered", "mapped", "splice", "sendfile"] as const;

const usage = `Usage: npm start [-- [--json] [FILE]]

Sends FILE (default: ${demoBytes / mebibyte} MiB made once in the temp folder; of a larger file the first
${mostBytes / mebibyte} MiB) over TCP to another process by every mechanism of this machine.`;

interface Choice {
  readonly file: string;
  readonly bytes: number;
  readonly fileBytes: number;
}

async function choose(named: string | undefined): Promise<Choice> {
  const file = named ?? (await demoFile(demoBytes));
  const found = await stat(file);
  if (!found.isFile() || found.size === 0) throw new Error(`${file} is not a file with content`);
  return { file, bytes: Math.min(found.size, mostBytes), fileBytes: found.size };
}

/** Without the engine there is no native row, and transfer()'s portable path takes its place. */
function entrants(): readonly { readonly mechanism: Mechanism; readonly unavailable?: string }[] {
  const { engine, strategies: known } = capabilities();
  const rows = native.map((mechanism) => {
    if (engine.ability === "no") return { mechanism, unavailable: engine.reason };
    const { ability, reason } = known[mechanism];
    return ability === "no" ? { mechanism, unavailable: reason } : { mechanism };
  });
  return [{ mechanism: "streams" }, ...(engine.ability === "yes" ? [] : [{ mechanism: "portable" } as const]), ...rows];
}

function progress(total: number): { step(): void; stop(): void } {
  const format = "{bar} run {value} of {total}, {duration} s";
  const bar = new SingleBar({ format, stream: process.stderr, clearOnComplete: true, noTTYOutput: false });
  bar.start(total, 0);
  return { step: () => bar.increment(), stop: () => bar.stop() };
}

async function main(): Promise<void> {
  const { values: flags, positionals } = parseArgs({
    options: { json: { type: "boolean", default: false }, help: { type: "boolean", short: "h", default: false } },
    allowPositionals: true,
  });
  if (flags.help) return console.log(usage);
  const { file, bytes, fileBytes } = await choose(positionals[0]);
  const obstacle = straceObstacle();
  const field = entrants();
  const mechanisms = field.filter(({ unavailable }) => unavailable === undefined).map(({ mechanism }) => mechanism);
  const course = { file, bytes, sha256: await sha256(file, bytes), rounds, trace: obstacle === undefined };

  const bar = progress(mechanisms.length * (rounds + (course.trace ? 2 : 1)));
  const verdicts = await contest(course, mechanisms, () => bar.step()).finally(() => bar.stop());
  const rows = field.map(({ mechanism, unavailable }): DemoRow => {
    const { copies, switches } = strategies[mechanism === "streams" || mechanism === "auto" ? "portable" : mechanism];
    return {
      mechanism,
      ...(unavailable !== undefined && { unavailable }),
      ...verdicts.get(mechanism),
      expected: { copies, switches },
    };
  });
  if (rows.some(({ failure }) => failure !== undefined)) process.exitCode = 1;

  const report = {
    file,
    fileBytes,
    bytes,
    sha256: course.sha256,
    rounds,
    callsCountedBy: obstacle === undefined ? "strace" : `the engine, and /proc/self/io for streams: ${obstacle}`,
    rows,
    conclusion: conclude(rows),
  };
  console.log(flags.json ? JSON.stringify({ environment: await environment(), ...report }, null, 2) : page(report));
}

main().catch((error: unknown) => {
  console.error(`demo: ${error instanceof Error ? error.message : String(error)}`);
  process.exitCode = 1;
});

/** Bytes compared at either end. */
const sampleBytes = 65_536;

/** Whether a file is this user's, has the size, and begins and ends as the payload does. */
async function isPayload(path: string, bytes: number): Promise<boolean> {
  const file = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW).catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT" || error.code === "ELOOP" || error.code === "EACCES") return undefined;
    throw error;
  });
  if (file === undefined) return false;
  try {
    const found = await file.stat();
    if (!found.isFile() || found.size !== bytes || found.uid !== userInfo().uid) return false;
    for (const offset of [0, bytes - sampleBytes]) {
      const { buffer } = await file.read(Buffer.alloc(sampleBytes), 0, sampleBytes, offset);
      if (!buffer.equals(payload(offset, sampleBytes))) return false;
    }
    return true;
  } finally {
    await file.close();
  }
}

/** Path of the file, of `bytes` bytes. A stop half-way leaves nothing behind. */
export async function demoFile(bytes: number): Promise<string> {
  const path = join(tmpdir(), `sluice-demo-${userInfo().uid}-${bytes}.bin`);
  if (await isPayload(path, bytes)) return path;
  const unfinished = join(await scratchFolder(tmpdir(), bytes), "payload");
  await writePayload(unfinished, bytes);
  await rename(unfinished, path);
  return path;
}
