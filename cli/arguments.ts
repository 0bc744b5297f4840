/** Arguments of the command line as values. Each throws what commander turns into a line about usage. */
import { InvalidArgumentError, Option } from "commander";
import { cacheModes, strategyNames } from "sluice/internal";
import { type Address, type HostAddress, parseAddress, portBeyond } from "./address.ts";

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
  if (portBeyond(text) === text) throw portOutOfRange(text);
  const port = /^\d+$/.test(text) ? Number(text) : Number.NaN;
  if (Number.isNaN(port)) throw new InvalidArgumentError("A port is a number from 0 to 65535.");
  return port;
}

const portOutOfRange = (port: string): InvalidArgumentError =>
  new InvalidArgumentError(`Port ${port} is out of range: a port is a number from 0 to 65535.`);

/** An address, or what is wrong with it: its port, or else that it is not `expected`. */
function parseEnd(text: string, expected: string): Address {
  const address = parseAddress(text);
  if (address !== undefined) return address;
  const port = portBeyond(text);
  throw port === undefined ? new InvalidArgumentError(expected) : portOutOfRange(port);
}

/** "example.org:8080", "127.0.0.1:8080", "[::1]:8080". */
export function parseDestination(text: string): HostAddress {
  const expected = "It is HOST:PORT, with an IPv6 address in brackets: [::1]:8080.";
  const address = parseEnd(text, expected);
  if ("path" in address) throw new InvalidArgumentError(expected);
  if (address.port === 0) throw new InvalidArgumentError("Nothing can be reached at port 0.");
  return address;
}

/** HOST:PORT, a port, or the path of a Unix socket. */
export function parseSocketAddress(text: string): Address {
  return parseEnd(
    text,
    "It is HOST:PORT, with an IPv6 address in brackets, or the path of a Unix socket, with a slash or as unix:NAME.",
  );
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

/** An option by a name that it had before: understood, and shown nowhere. */
class FormerOption extends Option {
  readonly #attribute: string;

  constructor(flags: string, attribute: string) {
    super(flags);
    this.#attribute = attribute;
    this.hideHelp();
  }

  override attributeName(): string {
    return this.#attribute;
  }
}

/** @param attribute of the option that it is another name of */
export const formerOption = (flags: string, attribute: string): Option => new FormerOption(flags, attribute);

export const logFormatOption = (): Option =>
  new Option("--log-format <format>", "how the access log is written; json: one object a line")
    .choices(["line", "json"])
    .default("line")
    .conflicts("quiet");
export const logFileOption = (): Option =>
  new Option("--log-file <file>", "append the access log to this file, not to stdout; SIGHUP opens it anew").conflicts(
    "quiet",
  );
export const jsonLogOption = (): Option => formerOption("--json-log", "logFormat").preset("json").conflicts("quiet");

/** A rate: bytes a second, more than none. */
function parseRate(text: string): number {
  const rate = parseBytes(text.replace(/\/s$/, ""));
  if (rate === 0) throw new InvalidArgumentError("A rate is bytes per second, such as 64K or 10M.");
  return rate;
}

export const limitOption = (): Option =>
  new Option("--limit <rate>", "move no more bytes per second; K, M, G mean powers of 1024").argParser(parseRate);
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
