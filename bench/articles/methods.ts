/** How often each method crosses into the kernel, and whether the bytes are copied: what `explain` draws beside what was counted. */
import { explainPlan, sampleEndpoint } from "#core/plan/explain.js";
import type { Strategy } from "#core/plan/kernel.js";
import { checkOptions } from "#core/transfer/request.js";
import { select } from "#core/plan/select.js";
import { contestOf } from "../suites/cost-curve.ts";
import type { Setting } from "../suites/suite.ts";
import type { Contest, Entry } from "../support/contest.ts";
import { type Claim, contestSection, type PathFinding, type Section } from "../support/rows.ts";
import { scratchFile } from "../support/scratch.ts";
import { cSender } from "../support/senders.ts";
import { requestsFor } from "../support/serving.ts";
import { type Answer, answered, articles } from "./article.ts";
import { type EditMethod, editedShare, percent } from "./edits.ts";

const blockBytes = 64 * 1024;
const fileBytes = 64 * 2 ** 20;

interface Method {
  readonly strategy: Strategy;
  readonly contender: string;
  readonly edit: EditMethod;
}

const methods = {
  buffered: { strategy: "buffered", contender: "C read + write", edit: "write" },
  mapped: { strategy: "mapped", contender: "C mmap + write", edit: "mapped" },
  sendfile: { strategy: "sendfile", contender: "C sendfile", edit: "sendfile" },
  splice: { strategy: "splice", contender: "C splice", edit: "splice" },
} as const satisfies Record<string, Method>;

type MethodName = keyof typeof methods;
const names = Object.keys(methods) as MethodName[];

interface Finding {
  readonly block: Entry;
  readonly file: Entry;
  /** With the bytes still in the sender's socket. */
  readonly edited: number;
}

function drawingOf(strategy: Strategy): Pick<PathFinding, "drawing" | "expected"> {
  const [file, tcp] = [sampleEndpoint("file"), sampleEndpoint("tcp")];
  if (file === undefined || tcp === undefined) throw new Error("explain knows neither file nor tcp");
  const plan = select(file, tcp, checkOptions({ strategy }), () => ({ ability: "unknown", reason: "" }));
  const explanation = explainPlan(plan);
  const [chosen] = explanation.candidates;
  return {
    drawing: explanation.drawing({ width: 80 }),
    expected: { copies: chosen?.copies ?? "", switchesPerRound: chosen?.switchesPerRound ?? Number.NaN },
  };
}

/** The request is read by a call of its own, which is not the method's. */
const callsOf = ({ metrics }: Entry) =>
  metrics.syscallsPerRequest === undefined ? undefined : Math.max(0, metrics.syscallsPerRequest.median - 1);

const count = (value: number | undefined) =>
  value === undefined ? "not counted" : Math.round(value).toLocaleString("en-US");
const tellCalls = (value: number | undefined) => `${count(value)} ${value === 1 ? "call" : "calls"}`;
const perFile = (figure: Entry["metrics"]["voluntary"]) =>
  figure === undefined ? undefined : (figure.median * fileBytes) / 1e9;

function pathOf(name: MethodName, { block, file, edited }: Finding): PathFinding {
  const [blockCalls, fileCalls] = [callsOf(block), callsOf(file)];
  const doubled = (calls: number | undefined) => (calls === undefined ? undefined : 2 * calls);
  return {
    mechanism: `${methods[name].contender.slice(2)}: expected and counted`,
    ...drawingOf(methods[name].strategy),
    counted: [
      ["system calls for 64 KiB", count(blockCalls)],
      ["mode switches for 64 KiB", count(doubled(blockCalls))],
      ["system calls for 64 MiB", count(fileCalls)],
      ["context switches for 64 MiB, voluntary", count(perFile(file.metrics.voluntary))],
      ["… involuntary", count(perFile(file.metrics.involuntary))],
      ["an edit after the call reached the peer", percent(edited)],
      ["copied into the socket", edited === 0 ? "yes" : "no: its pages are the file’s"],
      ["CPU", `${file.metrics.cpu?.median.toFixed(3) ?? "?"} s/GB`],
    ],
  };
}

async function findingsOf(
  setting: Setting,
): Promise<{ readonly contest: Contest; readonly found: Record<MethodName, Finding> }> {
  const points = [blockBytes, fileBytes].map((bytes) => ({ bytes, cache: "warm" as const }));
  const { contest } = await contestOf(
    "The articles’ methods, with nothing around them",
    [
      ...names.map((name) => cSender(methods[name].strategy, methods[name].contender)),
      cSender("zerocopy", "C MSG_ZEROCOPY"),
    ],
    { file: await scratchFile(fileBytes), points, how: { requests: requestsFor(fileBytes * 2, 500) } },
    setting,
  );
  const entry = (contender: string, bytes: number) => {
    const found = contest.entries.find((one) => one.contender === contender && one.bytes === bytes);
    if (found === undefined) throw new Error(`${contender} has no figures`);
    return found;
  };
  const found: Partial<Record<MethodName, Finding>> = {};
  for (const name of names) {
    const { contender, edit } = methods[name];
    setting.progress(`editing a file after ${edit} has sent it`);
    found[name] = {
      block: entry(contender, blockBytes),
      file: entry(contender, fileBytes),
      edited: await editedShare(edit, "closed"),
    };
  }
  return { contest, found: found as Record<MethodName, Finding> };
}

const questions = [
  {
    article: `${articles.sendfile}; ${articles.java}`,
    claim:
      "Reading a file and writing it to a socket takes four context switches and four copies, two of them by the CPU.",
    experiment:
      "A C loop sends 64 KiB by read(2) and write(2); its calls and switches are counted, and the file is edited after the call.",
  },
  {
    article: `${articles.sendfile}; ${articles.java}`,
    claim: "mmap and write spares one copy but none of the four switches.",
    experiment: "The same by mmap(2), write(2), munmap(2).",
  },
  {
    article: `${articles.overview}; ${articles.java}`,
    claim: "With much data, replacing read by mmap raises the efficiency.",
    experiment: "CPU for 64 MiB in memory, by mmap and write, and by read and write with a buffer of 128 KiB.",
  },
  {
    article: `${articles.sendfile}; ${articles.java}`,
    claim: "sendfile takes two switches.",
    experiment: "The same by one sendfile(2).",
  },
  {
    article: articles.processes,
    claim: "Since 2.6.23 sendfile is splice by another name.",
    experiment: "Both send 64 KiB; the file is edited after the call has returned.",
  },
];

function answersTo({ buffered, mapped, sendfile, splice }: Record<MethodName, Finding>): Answer[] {
  const cpu = ({ file }: Finding) => file.metrics.cpu?.median ?? Number.NaN;
  const told = (finding: Finding) =>
    `${tellCalls(callsOf(finding.block))}, so ${count(2 * (callsOf(finding.block) ?? Number.NaN))} mode switches`;
  const switches = (perFile(buffered.file.metrics.voluntary) ?? 0) + (perFile(buffered.file.metrics.involuntary) ?? 0);
  const counted = callsOf(buffered.block) !== undefined;
  const saving = 1 - cpu(mapped) / cpu(buffered);
  return [
    {
      measured: `${told(buffered)}; ${count(switches)} context switches for the ${count(callsOf(buffered.file))} calls of 64 MiB. An edit after the call reached ${percent(buffered.edited)} of the bytes: they had been copied.`,
      verdict: counted ? "holds in part" : "not testable here",
      comment:
        "The counts are right; the word isn’t. Entering the kernel is a mode switch. A context switch, to another thread, happens when a call has to wait, and far more rarely. The copies by DMA are the hardware’s: no program can count them.",
    },
    {
      measured: `${told(mapped)}: munmap is a call too. An edit after the call reached ${percent(mapped.edited)}: write(2) copies from the mapping.`,
      verdict: counted ? "holds in part" : "not testable here",
      comment:
        "One CPU copy is left, as they say. With the munmap that they leave out it is six switches; and each page that is touched for the first time costs a fault, which they don’t count.",
    },
    {
      measured: `mmap and write ${cpu(mapped).toFixed(3)} s/GB, read and write ${cpu(buffered).toFixed(3)} s/GB.`,
      verdict: saving > 0.1 ? "holds" : saving > -0.1 ? "holds in part" : "out of date",
      comment:
        "The copy that is spared was from memory to the processor’s cache, where the next call finds it; the page faults that come instead are not cheaper.",
    },
    {
      measured: `${told(sendfile)}, for 64 KiB; for 64 MiB ${tellCalls(callsOf(sendfile.file))}.`,
      verdict: counted ? "holds" : "not testable here",
      comment:
        "On a blocking socket. On one that isn’t, as in an event loop, there is a call for each time that the socket has room.",
    },
    {
      measured: `An edit reached ${percent(sendfile.edited)} of the bytes by sendfile and ${percent(splice.edited)} by splice: both hand over the file’s own pages. ${tellCalls(callsOf(sendfile.block))}, and ${tellCalls(callsOf(splice.block))}.`,
      verdict: sendfile.edited > 0.9 && splice.edited > 0.9 ? "holds" : "wrong",
      comment:
        "sendfile(2) drives a pipe of its own inside the kernel. What it sends is a reference: consistency: “snapshot” is for those who can’t have edits show.",
    },
  ];
}

export async function methodFindings(
  setting: Setting,
): Promise<{ readonly sections: Section[]; readonly claims: Claim[] }> {
  const { contest, found } = await findingsOf(setting);
  const claims = await answered(questions, async () => answersTo(found));
  const paths = names.map((name) => pathOf(name, found[name]));
  const drawn: Section = {
    title: "The ways of the bytes, as drawn by explain and as counted",
    head: ["", "expected copies", ...(paths[0]?.counted.map(([name]) => name) ?? [])],
    cells: paths.map(({ mechanism, expected, counted }) => [
      mechanism,
      expected.copies,
      ...counted.map(([, value]) => value),
    ]),
    paths,
  };
  return { sections: [drawn, contestSection(contest)], claims };
}
