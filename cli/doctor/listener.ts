/** Who listens at an address of this machine, as /proc tells it. */
import { readdirSync, readFileSync, readlinkSync } from "node:fs";
import { networkInterfaces } from "node:os";
import { basename } from "node:path";
import { codeOf } from "sluice/internal";
import { formatIp, type IpAddress, parseIp, unmapped } from "../proxy/ip.ts";

export interface Listener {
  readonly pid: number;
  /** The name of its program. */
  readonly program: string;
  readonly uid: number;
  /** Traces of Sluice in the command line, the NODE_OPTIONS or the memory of it or of what it has started. */
  readonly hasSluice: boolean;
  /** Whether that environment switches Sluice off. */
  readonly isSwitchedOff: boolean;
  /** Whether Node's permission model is on. */
  readonly isRestricted: boolean;
  /** Whether it has mounts of its own, as in a container. */
  readonly isElsewhere: boolean;
}

export interface Sought {
  readonly listeners: readonly Listener[];
  /** Users of listening sockets whose process may not be looked at. */
  readonly strangers: readonly number[];
}

interface ListeningSocket {
  readonly uid: number;
  readonly inode: string;
}

/** Bytes of an address in /proc/net/tcp: words of 32 bits, each in the machine's own order, which is little-endian. */
const addressOf = (hex: string): IpAddress => [...Buffer.from(hex, "hex").swap32()];

const isAny = (address: IpAddress): boolean => address.every((byte) => byte === 0);

const plain = (address: IpAddress): string => formatIp(unmapped(address));

/** proc_net_tcp(5): sl, local address, remote address, state (0A listens), queues, timer, retransmits, uid, timeout, inode. */
function socketsIn(table: string, address: IpAddress, port: number): ListeningSocket[] {
  return table
    .split("\n")
    .slice(1)
    .flatMap((line) => {
      const [, local = "", , state, , , , uid, , inode = ""] = line.trim().split(/\s+/);
      const [ip = "", at = ""] = local.split(":");
      if (state !== "0A" || Number.parseInt(at, 16) !== port) return [];
      const bound = addressOf(ip);
      return isAny(bound) || plain(bound) === plain(address) ? [{ uid: Number(uid), inode }] : [];
    });
}

function readText(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    // It has gone, or is not ours to read.
    if (codeOf(error) !== undefined) return "";
    throw error;
  }
}

function readLink(path: string): string {
  try {
    return readlinkSync(path);
  } catch (error) {
    if (codeOf(error) !== undefined) return "";
    throw error;
  }
}

/** What a process has open, as far as that may be seen. */
function openIn(pid: number): readonly string[] {
  const folder = `/proc/${pid}/fd`;
  try {
    return readdirSync(folder).map((fd) => readLink(`${folder}/${fd}`));
  } catch (error) {
    if (codeOf(error) !== undefined) return [];
    throw error;
  }
}

/** Sluice in a command line or in NODE_OPTIONS. */
const traces = /sluice\/(register|fetch|stream|dist)|sluice.*register/;

type Traces = Pick<Listener, "hasSluice" | "isSwitchedOff" | "isRestricted">;

function tracesIn(pid: number): Traces {
  const command = readText(`/proc/${pid}/cmdline`).split("\0");
  const environment = readText(`/proc/${pid}/environ`).split("\0");
  const options = [...command, ...environment.filter((each) => each.startsWith("NODE_OPTIONS="))].join(" ");
  return {
    hasSluice: traces.test(options) || readText(`/proc/${pid}/maps`).includes("libsluice"),
    isSwitchedOff: environment.some((each) => /^SLUICE_DISABLE(_NATIVE)?=1$/.test(each)),
    isRestricted: /--(experimental-)?permission/.test(options),
  };
}

/** A process and all that it has started, as the primary of a cluster listens for its workers. */
function familyOf(pid: number, pids: readonly number[]): readonly number[] {
  const parents = new Map(
    pids.map((each) => [each, Number(/^PPid:\s+(\d+)/m.exec(readText(`/proc/${each}/status`))?.[1])]),
  );
  const family = [pid];
  for (const member of family) family.push(...pids.filter((each) => parents.get(each) === member));
  return family;
}

function describe(pid: number, pids: readonly number[]): Listener {
  const family = familyOf(pid, pids).map(tracesIn);
  const [, uid = ""] = /^Uid:\s+\d+\s+(\d+)/m.exec(readText(`/proc/${pid}/status`)) ?? [];
  return {
    pid,
    program: basename(readLink(`/proc/${pid}/exe`)),
    uid: Number(uid),
    hasSluice: family.some(({ hasSluice }) => hasSluice),
    isSwitchedOff: family.some(({ isSwitchedOff }) => isSwitchedOff),
    isRestricted: family.some(({ isRestricted }) => isRestricted),
    isElsewhere: readLink(`/proc/${pid}/ns/mnt`) !== readLink("/proc/self/ns/mnt"),
  };
}

/** Finds the processes that listen at an address: several where they share it. */
export function findListeners(address: string, port: number): Sought {
  const wanted = parseIp(address);
  if (wanted === undefined) return { listeners: [], strangers: [] };
  const tables = ["/proc/net/tcp", "/proc/net/tcp6"].map(readText);
  const sockets = tables.flatMap((table) => socketsIn(table, wanted, port));
  const names = new Set(sockets.map(({ inode }) => `socket:[${inode}]`));
  const pids = readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .map(Number);
  const found = pids.filter((pid) => openIn(pid).some((name) => names.has(name)));
  return { listeners: found.map((pid) => describe(pid, pids)), strangers: sockets.map(({ uid }) => uid) };
}

/** Whether an address is one of this machine's. */
export function isOwnAddress(address: string): boolean {
  const ip = parseIp(address);
  if (ip === undefined) return false;
  const text = plain(ip);
  const own = Object.values(networkInterfaces()).flatMap((all) => all ?? []);
  return text.startsWith("127.") || text === "::1" || own.some((each) => each.address === text);
}
