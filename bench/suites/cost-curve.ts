/** A file to a TCP socket, from bodies of 4 KiB to gigabytes: where one mechanism gives way to another, and what each costs. */
import { makeCold, type SlowDisk, slowDisk } from "../support/cold.ts";
import { socat } from "../support/contenders.ts";
import {
  type Absent,
  assemble,
  type Contender,
  contest,
  type Contested,
  type Point,
  sizeName,
} from "../support/contest.ts";
import { scratchFile } from "../support/files.ts";
import { type Sample, sampled } from "../support/metrics.ts";
import {
  contestSection,
  ratioRow,
  type Row,
  section,
  type Section,
  sectionsOrReason,
  type Setting,
  type Suite,
} from "../support/rows.ts";
import { cSender, nodeSender, requestsFor, type Sender, served, type Served, socatSender } from "../support/senders.ts";
import type { HttpServer } from "../support/servers.ts";
import { figure, median } from "../support/stats.ts";
import { countedBy } from "../support/syscalls.ts";

const mebibyte = 2 ** 20;

/** Powers of four from 4 KiB to 4 GiB; the quick ones lie on both sides of each threshold, and end where the targets are set. */
const allSizes = Array.from({ length: 11 }, (_, power) => 4096 * 4 ** power);
const quickSizes = [4096, 65_536, 262_144, mebibyte, 16 * mebibyte, 1024 * mebibyte];

/** The names that questions are asked about. */
const transfer = "transfer()";
const streams = "Node streams";
const sendfileLoop = "C sendfile";
const pollingLoop = "C sendfile, poll(2)";

const small = ({ bytes }: Point) => bytes <= mebibyte;

const always: readonly Sender[] = [
  nodeSender(transfer, "sluice", "auto"),
  nodeSender(streams, "rival", "streams"),
  nodeSender("Node fs.read loop", "rival", "read"),
  cSender("sendfile", sendfileLoop),
  cSender("splice"),
  cSender("mapped", "C mmap + write"),
  cSender("buffered", "C read + write"),
];

const moreInFull: readonly Sender[] = [
  nodeSender("transfer(), sendfile", "sluice", "sendfile"),
  nodeSender("transfer(), splice", "sluice", "splice"),
  nodeSender("transfer(), mapped", "sluice", "mapped"),
  nodeSender("transfer(), buffered", "sluice", "buffered"),
  nodeSender("Node streams, 1 MiB", "rival", "streams-1M"),
  nodeSender("Node fs.readSync loop", "rival", "read-sync", small),
  cSender("sendfile-poll", pollingLoop),
  cSender("zerocopy", "C MSG_ZEROCOPY"),
];

export interface StartedSenders {
  readonly contenders: readonly Contender[];
  readonly absent: readonly Absent[];
  readonly servers: readonly HttpServer[];
}

/** Starts senders of one file; the caller stops them. */
export async function field(
  senders: readonly Sender[],
  file: string,
  how: Pick<Served, "requests" | "prepare">,
): Promise<StartedSenders> {
  const { present, absent } = await assemble(
    senders.map((sender) => ({ ...sender, setUp: async () => ({ sender, server: await sender.start(file) }) })),
  );
  const contenders = present.map(({ made: { sender, server } }) => served({ ...how, ...sender, server }));
  return { contenders, absent, servers: present.map(({ made }) => made.server) };
}

/** Runs a contest of senders of one file and stops them. */
export async function contestOf(
  title: string,
  senders: readonly Sender[],
  {
    file,
    points,
    how,
    notes = [],
    onStart,
    also,
  }: {
    readonly file: string;
    readonly points: readonly Point[];
    readonly how: Pick<Served, "requests" | "prepare">;
    readonly notes?: readonly string[];
    readonly onStart?: (server: HttpServer) => void;
    /** Contenders that are no servers. */
    readonly also?: readonly Parameters<typeof assemble<Contender>>[0][number][];
  },
  { rounds, progress }: Setting,
): Promise<Contested> {
  const started = await field(senders, file, how);
  try {
    for (const server of started.servers) onStart?.(server);
    const others = await assemble(also ?? []);
    return await contest({
      title,
      contenders: [...started.contenders, ...others.present.map(({ made }) => made)],
      absent: [...started.absent, ...others.absent],
      points,
      rounds,
      notes: [...notes, await countedBy()],
      progress,
    });
  } finally {
    await Promise.all(started.servers.map((server) => server.stop()));
  }
}

const warm = (bytes: number): Point => ({ bytes, cache: "warm" });

async function warmCurve(setting: Setting): Promise<Section[]> {
  const sizes = setting.full ? allSizes : quickSizes;
  const largest = Math.max(...sizes);
  const file = await scratchFile(largest);
  const { contest: found, samples } = await contestOf(
    "A resident file to a TCP socket",
    [...always, ...(setting.full ? moreInFull : [])],
    {
      file,
      points: sizes.map(warm),
      how: { requests: requestsFor((setting.full ? 256 : 64) * mebibyte, 2000) },
      notes: [
        "Loopback; one connection; the client discards what it takes inside the kernel, so that sending is all that costs.",
        "The file is open before it is asked for. Each figure is of the serving process, from /proc.",
      ],
      also: [{ name: socat, role: "rival", setUp: async () => socatSender(file) }],
    },
    setting,
  );
  const point = warm(largest);
  const value = ({ cpuNs, bytes }: Sample) => cpuNs / bytes;
  const tell = (runs: readonly Sample[], name: string) =>
    `${name} ${median(sampled("cpu", runs)).toFixed(3)} s/GB, ${median(sampled("throughput", runs)).toFixed(2)} GB/s`;
  const against = (name: string, target?: number): Row => {
    const question = `CPU of ${transfer} / ${name}, ${sizeName(largest)}`;
    if (name === pollingLoop && setting.full !== true) return { question, unit: "×", skipped: "only with --full" };
    const bound = target === undefined ? {} : { target };
    return ratioRow({ contest: found, samples }, point, {
      question,
      of: transfer,
      against: name,
      value,
      tell,
      ...bound,
    });
  };
  const shares = samples(transfer, point).map(({ mainThreadNs = Number.NaN, cpuNs }) => (mainThreadNs / cpuNs) * 100);
  return [
    contestSection(found),
    section("… and what follows from it", [
      against(sendfileLoop, 1.1),
      against(pollingLoop),
      against(streams, 0.35),
      {
        question: `CPU of ${transfer} on the main thread, ${sizeName(largest)}`,
        unit: "%",
        target: 3,
        figure: figure(shares),
        detail: "of the process's own",
      },
    ]),
  ];
}

const coldSenders: readonly Sender[] = [
  nodeSender(transfer, "sluice", "auto"),
  nodeSender(streams, "rival", "streams"),
  cSender("sendfile", sendfileLoop),
  cSender("buffered", "C read + write"),
];

const slowBytesPerSecond = 100e6;

async function coldCurve(setting: Setting, limit?: (file: string) => SlowDisk): Promise<Section[]> {
  const bytes = (setting.full ? 1024 : 64) * mebibyte * (limit === undefined ? 1 : 0.5);
  const title =
    limit === undefined
      ? "The same file after it was thrown out of the page cache"
      : `… and from a disk of ${slowBytesPerSecond / 1e6} MB/s`;
  return sectionsOrReason(title, async () => {
    const file = await scratchFile(bytes);
    const disk = limit?.(file);
    const points: Point[] = [{ bytes, cache: "cold" }];
    try {
      const { contest: found } = await contestOf(
        title,
        coldSenders,
        {
          file,
          points,
          how: { requests: () => 1, prepare: () => makeCold(file) },
          notes: [
            "Dropped by posix_fadvise(2) before each body, and looked for with mincore(2); a virtual machine's host may still have it.",
            ...(disk === undefined ? [] : ["The disk is slowed by a control group: blkio.throttle or io.max."]),
          ],
          onStart: (server) => disk?.slow(server.pid),
        },
        { ...setting, rounds: Math.min(setting.rounds, setting.full ? 5 : 3) },
      );
      return [contestSection(found)];
    } finally {
      disk?.remove();
    }
  });
}

export const costCurve: Suite = async (setting) => [
  ...(await warmCurve(setting)),
  ...(await coldCurve(setting)),
  ...(await coldCurve(setting, (file) => slowDisk(file, slowBytesPerSecond))),
];
