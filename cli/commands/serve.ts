/** `sluice serve [DIR]` */
import process from "node:process";
import { Command, InvalidArgumentError, Option } from "commander";
import {
  durationOption,
  formerOption,
  jsonLogOption,
  logFileOption,
  logFormatOption,
  parsePort,
  parseWorkers,
  quietOption,
} from "../arguments.ts";

interface ServeOptions {
  readonly port: number;
  readonly hostname: string;
  readonly listing?: boolean;
  readonly single?: boolean;
  readonly maxAge: number;
  readonly cors?: boolean;
  readonly logFile?: string;
  readonly logFormat: "line" | "json";
  readonly quiet?: boolean;
  readonly keepAliveTimeout: number;
  readonly workers?: number;
  readonly metricsPort?: number;
  readonly metricsHostname: string;
}

/** Local addresses by default: what is to be public has to be said. */
const localHost = "127.0.0.1";

/** PORT is how platforms say where to listen. As with them, an empty one says nothing. */
function portOption(): Option {
  const option = new Option("-p, --port <port>", "where to listen; 0 lets the system choose");
  option.argParser(parsePort).default(8080);
  return process.env["PORT"] === "" ? option : option.env("PORT");
}

export const serveCommand = (): Command =>
  new Command("serve")
    .description("serve a folder by HTTP, each file sent by the kernel")
    .argument("[dir]", "what to serve", ".")
    .addOption(portOption())
    .option("--hostname <address>", 'listen on this address; "0.0.0.0" or "::" for everybody', localHost)
    .option("--listing", "show the content of folders that have no index.html")
    .option("--single", "answer navigations to what isn't there with /index.html (single-page applications)")
    .option("--max-age <seconds>", "let clients keep files for so long without asking again", parseSeconds, 0)
    .option("--cors", "let pages of every origin read the answers")
    .addOption(
      durationOption("--keep-alive-timeout <seconds>", "keep idle connections for so long; 0: for ever", 75_000),
    )
    .option("--workers <number>", "serve in so many processes, and replace those that end", parseWorkers)
    .option("--metrics-port <port>", "answer /metrics there, for Prometheus, and /healthz", parsePort)
    .option("--metrics-hostname <address>", "… and on this address", localHost)
    .addOption(formerOption("--host <address>", "hostname"))
    .addOption(formerOption("--cache <seconds>", "maxAge").argParser(parseSeconds))
    .addOption(formerOption("--metrics-host <address>", "metricsHostname"))
    .addOption(logFormatOption())
    .addOption(logFileOption())
    .addOption(jsonLogOption())
    .addOption(quietOption())
    .action(async (folder: string, options: ServeOptions) => {
      const { port, hostname, maxAge, workers, metricsPort, metricsHostname, quiet = false } = options;
      // What only a server needs takes its time to load.
      const { runServe } = await import("../serve/serve-folder.ts");
      await runServe({
        folder,
        port,
        host: hostname,
        listing: options.listing === true,
        single: options.single === true,
        cacheSeconds: maxAge,
        cors: options.cors === true,
        keepAliveTimeoutMs: options.keepAliveTimeout,
        logFile: options.logFile,
        log: quiet ? "none" : options.logFormat,
        quiet,
        workers,
        metricsAddress: metricsPort === undefined ? undefined : { host: metricsHostname, port: metricsPort },
      });
    });

function parseSeconds(text: string): number {
  const seconds = /^\d+$/.test(text) ? Number(text) : Number.NaN;
  // RFC 9111, section 1.2.2: a cache need not count further.
  if (!(seconds <= 2 ** 31)) throw new InvalidArgumentError("Seconds are a whole number, such as 3600.");
  return seconds;
}
