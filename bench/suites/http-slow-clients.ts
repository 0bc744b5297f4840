/** A thousand slow downloads at once: what each costs in memory, and whether the event loop stays free. */
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { pairs, startAll, stopAll } from "../http/contenders.ts";
import type { Answers } from "../support/probe.ts";
import type { HttpServer } from "../http/server.ts";
import { helper, start } from "../support/helpers.ts";
import { writePayload } from "../support/payload.ts";
import { type Row, rowsOrReason, section } from "../support/rows.ts";
import { scratchFolder } from "../support/scratch.ts";
import { figure } from "../support/stats.ts";
import type { Suite } from "./suite.ts";

const clients = 1000;
const clientBytesPerSecond = 100 * 1024;
const seconds = 15;
/** V8 lets its young generation grow for minutes; held small, what is left to grow is the downloads'. */
const nodeOptions = ["--max-semi-space-size=1"];
const small = { path: "/small.bin", bytes: 4096 } as const;
const large = { path: "/large.bin", bytes: 64 * 2 ** 20 } as const;

interface Observed {
  readonly idle: Answers["memory"];
  readonly loaded: Answers["memory"];
  readonly delay: Answers["delay"];
  /** Of what it asked for, in the time it had. */
  readonly worstServed: number;
}

async function observe(server: HttpServer): Promise<Observed> {
  const order = [server.port, clients, clientBytesPerSecond, small.path, large.path];
  const load = start(await helper("slow_clients"), order.map(String));
  await load.firstLine;
  const idle = await server.ask("memory");
  await server.ask("watch");
  load.process.stdin?.write("g");
  await sleep(seconds * 1000);
  const delay = await server.ask("delay");
  const loaded = await server.ask("memory");
  load.process.stdin?.end();
  const [elapsed = 0, , least = 0] = ((await load.output).split("\n")[1] ?? "").split(" ").map(Number);
  return { idle, loaded, delay, worstServed: least / (elapsed * clientBytesPerSecond) };
}

function rowsOf(name: string, { idle, loaded, delay, worstServed }: Observed, tested: boolean): Row[] {
  const kibibytes = (bytes: number) => bytes / clients / 1024;
  const grown = (what: keyof Answers["memory"]) => kibibytes(loaded[what] - idle[what]);
  return [
    {
      question: `${name}: memory of a download beyond an idle connection`,
      unit: "KiB",
      figure: figure([grown("rss")]),
      ...(tested && { target: 10 }),
      detail: `an idle one ${kibibytes(idle.rss).toFixed(0)} KiB with the server; of the growth ${grown("heapUsed").toFixed(1)} KiB heap, ${grown("external").toFixed(1)} KiB buffers`,
    },
    {
      question: `${name}: event-loop delay p99`,
      unit: "ms",
      figure: figure([delay.p99Ms]),
      ...(tested && { target: 5 }),
      detail: `worst ${delay.worstMs.toFixed(0)} ms; the worst-served client got ${(worstServed * 100).toFixed(0)} % of its rate`,
    },
  ];
}

async function measure(progress: (text: string) => void): Promise<Row[]> {
  const files = await scratchFolder(tmpdir(), small.bytes + large.bytes);
  for (const { path, bytes } of [small, large]) await writePayload(join(files, path), bytes);
  const rows: Row[] = [];
  for (const name of ["Express", ...pairs.map((pair) => pair.name)]) {
    progress(`${clients} slow clients: ${name}`);
    const field = await startAll([name], files, nodeOptions);
    try {
      for (const skipped of field.missing.values()) rows.push({ question: name, unit: "KiB", skipped });
      for (const server of field.servers.values())
        rows.push(...rowsOf(name, await observe(server), name !== "Express"));
    } finally {
      await stopAll(field);
    }
  }
  return rows;
}

export const httpSlowClients: Suite = async ({ progress }) => [
  section(
    `${clients} clients at 100 KiB/s each, ${seconds} s of a 64 MiB download`,
    await rowsOrReason("memory and event-loop delay", () => measure(progress)),
  ),
];
