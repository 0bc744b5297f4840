/** `sluice doctor [PATHS…]` */
import { tmpdir } from "node:os";
import process from "node:process";
import { Command } from "commander";
import { type Ability, capabilities, type Capability } from "sluice";
import { jsonOption } from "../arguments.ts";
import { describeFailure, exitCodes } from "../exit.ts";
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
  readonly interface?: readonly string[];
  readonly json?: boolean;
}

export const doctorCommand = (): Command =>
  new Command("doctor")
    .description("show what this machine can do, and why not where it can't")
    .argument("[paths...]", "look at the filesystems under these (default: the current and the temporary folder)")
    .option("--interface <names...>", "look at these network interfaces (default: all)")
    .addOption(jsonOption())
    .action(async (paths: readonly string[], options: DoctorOptions) => {
      try {
        const findings = await examine(paths.length > 0 ? paths : [process.cwd(), tmpdir()], options);
        if (options.json === true) printJson(findings);
        else print(tellFindings(findings));
      } catch (error) {
        tell(`sluice: ${describeFailure("examine this machine", error).message}`);
        process.exitCode = exitCodes.failed;
      }
    });

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
