/** `npm run bench -- [SUITE...] [--json] [--rounds N]`: ratios from one run, the contenders taking turns. */
import { parseArgs } from "node:util";
import { type Environment, environment } from "./support/environment.ts";
import { draw, type Section } from "./support/rows.ts";
import { concurrent } from "./suites/concurrent.ts";
import { copy } from "./suites/copy.ts";
import { costCurve } from "./suites/cost-curve.ts";
import { endurance } from "./suites/endurance.ts";
import { http } from "./suites/http.ts";
import { httpSlowClients } from "./suites/http-slow-clients.ts";
import { map } from "./suites/map.ts";
import { runtimes } from "./suites/runtimes.ts";
import { smallBody } from "./suites/small-body.ts";
import type { Suite } from "./suites/suite.ts";

const suites: Readonly<Record<string, readonly Suite[]>> = {
  "file-to-socket": [costCurve, concurrent, smallBody, endurance],
  copy: [copy],
  map: [map],
  runtimes: [runtimes],
  http: [http, httpSlowClients],
};

const usage = `Usage: npm run bench -- [--json] [--rounds N] [SUITE...]
Suites: ${Object.keys(suites).join(", ")} (default: all)`;

function describe(where: Environment): string {
  return [
    `kernel  ${where.kernel}`,
    `CPU     ${where.cores} × ${where.cpu}, load ${where.load.toFixed(2)} at the start`,
    `memory  ${(where.memoryBytes / 2 ** 30).toFixed(1)} GiB`,
    `node    ${where.node}`,
    `temp    ${where.temp.folder} (${where.temp.filesystem})`,
    `engine  ${where.engine}`,
  ].join("\n");
}

async function main(): Promise<void> {
  const { values, positionals } = parseArgs({
    options: {
      json: { type: "boolean", default: false },
      rounds: { type: "string", default: "7" },
      help: { type: "boolean", short: "h", default: false },
    },
    allowPositionals: true,
  });
  if (values.help) return console.log(usage);
  const rounds = Number(values.rounds);
  if (!Number.isInteger(rounds) || rounds < 1)
    throw new Error(`--rounds takes a whole number from 1, got ${values.rounds}`);
  const wanted = positionals.length > 0 ? positionals : Object.keys(suites);
  const unknown = wanted.find((name) => !Object.hasOwn(suites, name));
  if (unknown !== undefined) throw new Error(`there is no suite ${unknown}\n${usage}`);

  const where = await environment();
  if (!values.json) console.log(`${describe(where)}\n`);
  const progress = (text: string) => {
    if (process.stderr.isTTY) process.stderr.write(`\r\x1b[K${text}`);
  };
  const results: Record<string, Section[]> = {};
  for (const name of wanted)
    for (const suite of suites[name] ?? []) {
      const sections = await suite({ rounds, progress });
      progress("");
      results[name] = [...(results[name] ?? []), ...sections];
      if (!values.json) for (const part of sections) console.log(`${draw(part)}\n`);
    }
  if (!values.json) return;
  const withoutTables = Object.entries(results).map(([name, sections]) => [
    name,
    sections.map(({ title, data }) => ({ title, data })),
  ]);
  console.log(JSON.stringify({ environment: where, rounds, suites: Object.fromEntries(withoutTables) }, null, 2));
}

main().catch((error: unknown) => {
  console.error(`bench: ${error instanceof Error ? error.message : String(error)}`);
  process.exitCode = 1;
});
