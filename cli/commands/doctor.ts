/** `sluice doctor [PATHS…]`, `sluice doctor --app URL` */
import { tmpdir } from "node:os";
import process from "node:process";
import { Command } from "commander";
import { type Ability, capabilities, type Capability } from "sluice";
import { jsonOption } from "../arguments.ts";
import { describeFailure, exitCodes, UsageError } from "../exit.ts";
import type { AppReport } from "../doctor/app.ts";
import { type FilesystemReport, inspectFilesystem } from "../doctor/filesystem.ts";
import { formatBytes, table } from "../format.ts";
import {
  inspectInterfaces,
  type InterfaceReport,
  type Limits,
  readIoUring,
  readLimits,
  readSystem,
  type System,
} from "../doctor/machine.ts";
import { type Colour, paint, print, printJson, screenWidth, tell } from "../screen.ts";

interface DoctorOptions {
  readonly app?: string;
  readonly interface?: readonly string[];
  readonly json?: boolean;
}

export const doctorCommand = (): Command =>
  new Command("doctor")
    .description("show what this machine can do, and why not where it can't")
    .argument("[paths...]", "look at the filesystems under these (default: the current and the temporary folder)")
    .option("--interface <names...>", "look at these network interfaces (default: all)")
    .option("--app <url>", "ask a running app of this machine for a file, and say which way the file went")
    .addOption(jsonOption())
    .action(async (paths: readonly string[], options: DoctorOptions) => {
      try {
        if (options.app !== undefined) return await tellApp(options.app, paths, options);
        const findings = await examine(paths.length > 0 ? paths : [process.cwd(), tmpdir()], options);
        if (options.json === true) printJson(findings);
        else print(tellFindings(findings));
      } catch (error) {
        const what = options.app === undefined ? "examine this machine" : `ask ${options.app}`;
        tell(`sluice: ${describeFailure(what, error).message}`);
        process.exitCode = error instanceof UsageError ? exitCodes.usage : exitCodes.failed;
      }
    });

async function tellApp(url: string, paths: readonly string[], options: DoctorOptions): Promise<void> {
  if (paths.length > 0 || options.interface !== undefined)
    throw new UsageError("--app stands alone: paths and interfaces are of another examination");
  const { examineApp } = await import("../doctor/app.ts");
  const report = await examineApp(url);
  if (options.json === true) printJson(report);
  else print(appText(report));
  process.exitCode = report.native ? exitCodes.ok : exitCodes.failed;
}

function appText({ url, app, answer, told, native, strategy, bytes, reason, remedy }: AppReport): string {
  const rows: Row[] = [];
  if (app !== undefined) rows.push(["app", `${app.program}, process ${app.pid} of user ${app.uid}`]);
  if (answer !== undefined) {
    const { status, chunked, coding } = answer;
    const framing = [chunked ? "chunked" : [], coding ?? []].flat().map((word) => `, ${word}`);
    rows.push(["answer", `${status}, ${formatBytes(answer.bytes)}${framing.join("")}`]);
  }
  const none = told ? "through JavaScript" : "unknown: the app has not told";
  const part = bytes > 0 ? `${formatBytes(bytes)} past JavaScript, the rest through it` : none;
  rows.push(["way", native ? `past JavaScript, by ${strategy ?? "?"}` : part], ["because", reason]);
  if (remedy !== undefined) rows.push(["remedy", remedy]);
  return `${paint("bold", url)}\n${table(rows, screenWidth)}`;
}

async function examine(paths: readonly string[], options: DoctorOptions) {
  const { engine, strategies, cache } = capabilities();
  // Why there is no engine is said of the engine alone.
  const brief = (reason: string) =>
    engine.ability === "yes" ? reason : reason.replaceAll(engine.reason, "there is no engine");
  const briefly = <T extends Readonly<Record<string, Capability>>>(list: T) =>
    Object.fromEntries(Object.entries(list).map(([name, each]) => [name, { ...each, reason: brief(each.reason) }]));
  return {
    system: readSystem(),
    engine,
    mechanisms: briefly(strategies),
    cache: briefly(cache),
    filesystems: await Promise.all(paths.map(inspectFilesystem)),
    interfaces: inspectInterfaces(options.interface).map((each) => ({
      ...each,
      reason: each.reason === undefined ? undefined : brief(each.reason),
    })),
    limits: readLimits(),
    ioUring: readIoUring(),
  };
}

type Findings = Awaited<ReturnType<typeof examine>>;
type Row = readonly string[];

const abilityColours: Readonly<Record<Ability, Colour>> = { yes: "green", no: "red", unknown: "yellow" };

function tellFindings(findings: Findings): string {
  const { system, engine, mechanisms, cache, filesystems, interfaces, limits, ioUring } = findings;
  const sections: readonly (readonly [string, readonly Row[]])[] = [
    [
      "System",
      [...systemRows(system), ["engine", engine.ability === "yes" ? engine.reason : `not loaded: ${engine.reason}`]],
    ],
    ["Mechanisms", Object.entries(mechanisms).map(([name, capability]) => capabilityRow(name, capability))],
    ["Page cache", Object.entries(cache).map(([name, capability]) => capabilityRow(name, capability))],
    ...filesystems.map((report) => [filesystemTitle(report), filesystemRows(report)] as const),
    ["Network interfaces", interfaces.map(interfaceRow)],
    ["Limits", [...limitRows(limits), ["io_uring", `${ioUring.ability}: ${ioUring.reason}`]]],
  ];
  const text = sections.map(([title, rows]) => `${paint("bold", title)}\n${table(rows, screenWidth)}`).join("\n\n");
  // Coloured after the table is laid out, since colours have no width.
  return text.replace(
    /^( {2}\S+ +)(yes|no|unknown)(?= )/gm,
    (_all, before: string, word: Ability) => before + paint(abilityColours[word], word),
  );
}

const capabilityRow = (name: string, { ability, reason }: Capability): Row => [name, ability, reason];

function systemRows({ kernel, arch, runtime, versions }: System): readonly Row[] {
  const made = Object.entries(versions).map(([name, version]) => `${name} ${version}`);
  return [
    ["kernel", `${kernel}, ${arch}`],
    ["runtime", `${runtime.name} ${runtime.version} (${made.join(", ")})`],
  ];
}

const filesystemTitle = ({ path, mount, type }: FilesystemReport): string =>
  `Filesystem of ${path}: ${type ?? "unknown"}${mount === undefined ? "" : `, mounted at ${mount}`}`;

const filesystemRows = ({ reflink, direct, unnamed }: FilesystemReport): readonly Row[] => [
  capabilityRow("reflink", reflink),
  capabilityRow("O_DIRECT", direct),
  capabilityRow("O_TMPFILE", unnamed),
];

function interfaceRow({ name, features, reason }: InterfaceReport): Row {
  if (features === undefined) return [name, `unknown: ${reason}`];
  const word = (on: boolean) => (on ? "yes" : "no");
  const { scatterGather, tso, txChecksum } = features;
  return [name, `scatter/gather ${word(scatterGather)}, TSO ${word(tso)}, transmit checksum ${word(txChecksum)}`];
}

function limitRows(limits: Limits): readonly Row[] {
  const show = (value: number | string | undefined, unit = "") => (value === undefined ? "unknown" : `${value}${unit}`);
  const pages = (value: number | undefined) => (value === 0 ? "no limit" : show(value, " pages"));
  const { pipeMaxSizeBytes } = limits;
  return [
    ["lease-break-time", show(limits.leaseBreakTimeS, " s")],
    ["pipe-max-size", pipeMaxSizeBytes === undefined ? "unknown" : formatBytes(pipeMaxSizeBytes)],
    ["pipe-user-pages", `soft ${pages(limits.pipeUserPagesSoft)}, hard ${pages(limits.pipeUserPagesHard)}`],
    [
      "open files",
      `soft ${show(limits.openFilesSoft)}, hard ${show(limits.openFilesHard)}, system ${show(limits.fileMax)}`,
    ],
  ];
}
