/** `sluice serve [DIR]` */
import { Command, InvalidArgumentError, Option } from "commander";
import { durationOption, parsePort, parseWorkers, quietOption } from "../arguments.ts";

interface ServeOptions {
  readonly port: number;
  readonly host: string;
  readonly listing?: boolean;
  readonly single?: boolean;
  readonly cache: number;
  readonly cors?: boolean;
  readonly jsonLog?: boolean;
  readonly quiet?: boolean;
  readonly keepAliveTimeout: number;
  readonly workers?: number;
  readonly metricsPort?: number;
  readonly metricsHost: string;
}

/** Local addresses by default: what is to be public has to be said. */
const localHost = "127.0.0.1";

export const serveCommand = (): Command =>
  new Command("serve")
    .description("serve a folder by HTTP, each file sent by the kernel")
    .argument("[dir]", "what to serve", ".")
    .option("-p, --port <port>", "where to listen; 0 lets the system choose", parsePort, 8080)
    .option("--host <address>", 'listen on this address; "0.0.0.0" or "::" for everybody', localHost)
    .option("--listing", "show the content of folders that have no index.html")
    .option("--single", "answer navigations to what isn't there with /index.html (single-page applications)")
    .option("--cache <seconds>", "let clients keep files for so long without asking again", parseSeconds, 0)
    .option("--cors", "let pages of every origin read the answers")
    .addOption(new Option("--json-log", "write the access log as JSON, one object a line").conflicts("quiet"))
    .addOption(
      durationOption("--keep-alive-timeout <seconds>", "keep idle connections for so long; 0: for ever", 75_000),
    )
    .option("--workers <number>", "serve in so many processes, and replace those that end", parseWorkers)
    .option("--metrics-port <port>", "answer /metrics there, for Prometheus, and /healthz", parsePort)
    .option("--metrics-host <address>", "… and on this address", localHost)
    .addOption(quietOption())
    .action(async (folder: string, options: ServeOptions) => {
      const { port, host, cache, workers, metricsPort, metricsHost, quiet = false } = options;
      // What only a server needs takes its time to load.
      const { runServe } = await import("../serve/serve-folder.ts");
      await runServe({
        folder,
        port,
        host,
        listing: options.listing === true,
        single: options.single === true,
        cacheSeconds: cache,
        cors: options.cors === true,
        keepAliveTimeoutMs: options.keepAliveTimeout,
        log: quiet ? "none" : options.jsonLog === true ? "json" : "line",
        quiet,
        workers,
        metricsAddress: metricsPort === undefined ? undefined : { host: metricsHost, port: metricsPort },
      });
    });

function parseSeconds(text: string): number {
  const seconds = /^\d+$/.test(text) ? Number(text) : Number.NaN;
  // RFC 9111, section 1.2.2: a cache need not count further.
  if (!(seconds <= 2 ** 31)) throw new InvalidArgumentError("Seconds are a whole number, such as 3600.");
  return seconds;
}
