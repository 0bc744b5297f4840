/** Arguments of the command line as values. Each throws what commander turns into a line about usage. */
import { InvalidArgumentError, Option } from "commander";
import { type HostAddress, parseAddress } from "./address.ts";
import { cacheModes } from "../core/transfer/request.ts";
import { strategyNames } from "../core/plan/strategies.ts";

/** A number of bytes, with K, M, G or T for powers of 1024: "4096", "64K", "2GiB". */
export function parseBytes(text: string): number {
  const [, digits, unit] = /^(\d+)(?:([KMGT])(?:iB)?)?$/i.exec(text) ?? [];
  const power = unit === undefined ? 0 : "KMGT".indexOf(unit.toUpperCase()) + 1;
  const bytes = Number(digits) * 1024 ** power;
  if (!Number.isSafeInteger(bytes))
    throw new InvalidArgumentError("Bytes are a whole number, such as 4096, 64K or 2G.");
  return bytes;
}

/** A TCP port; 0 lets the system choose one. */
export function parsePort(text: string): number {
  const port = /^\d+$/.test(text) ? Number(text) : Number.NaN;
  if (!(port <= 65535)) throw new InvalidArgumentError("A port is a number from 0 to 65535.");
  return port;
}

/** "example.org:8080", "127.0.0.1:8080", "[::1]:8080". */
export function parseDestination(text: string): HostAddress {
  const address = parseAddress(text);
  if (address === undefined || "path" in address)
    throw new InvalidArgumentError("It is HOST:PORT, with an IPv6 address in brackets: [::1]:8080.");
  return address;
}

/** Seconds, with a fraction or without, as milliseconds. */
export function parseDuration(text: string): number {
  const ms = /^\d+(\.\d+)?$/.test(text) ? Math.round(Number(text) * 1000) : Number.NaN;
  // The longest time of a runtime's timers.
  if (!(ms <= 0x7fffffff)) throw new InvalidArgumentError("It is a number of seconds, such as 30 or 0.5.");
  return ms;
}

/** An option of a number of seconds, with its default in milliseconds, which --help shows in seconds. */
export const durationOption = (flags: string, description: string, defaultMs: number): Option =>
  new Option(flags, description).argParser(parseDuration).default(defaultMs, String(defaultMs / 1000));

/** A whole number from 1. */
export function parseCount(text: string): number {
  const count = /^\d+$/.test(text) ? Number(text) : Number.NaN;
  if (!(count >= 1 && Number.isSafeInteger(count))) throw new InvalidArgumentError("It is a whole number from 1.");
  return count;
}

export function parseWorkers(text: string): number {
  const workers = /^\d+$/.test(text) ? Number(text) : Number.NaN;
  if (!(workers >= 1 && workers <= 256)) throw new InvalidArgumentError("Workers are a number from 1 to 256.");
  return workers;
}

export const jsonOption = (): Option => new Option("--json", "print data on stdout, and nothing else there");
export const quietOption = (): Option => new Option("-q, --quiet", "say nothing when all is well");
export const offsetOption = (): Option =>
  new Option("--offset <bytes>", "start here in the source; K, M, G mean powers of 1024").argParser(parseBytes);
export const lengthOption = (): Option =>
  new Option("--length <bytes>", "move at most this much").argParser(parseBytes);
export const strategyOption = (): Option =>
  new Option("--strategy <name>", "use this mechanism and no other").choices(strategyNames);
export const cacheOption = (): Option =>
  new Option(
    "--cache <mode>",
    "how the page cache is treated: past it (direct), or left as it was (dontcache)",
  ).choices(cacheModes);
