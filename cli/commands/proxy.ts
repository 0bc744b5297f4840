/** `sluice proxy LISTEN UPSTREAM[,UPSTREAM…]` */
import { Argument, Command, InvalidArgumentError, Option } from "commander";
import type { Address } from "../address.ts";
import { policies, type Policy } from "../proxy/balance.ts";
import {
  durationOption,
  formerOption,
  jsonLogOption,
  logFileOption,
  logFormatOption,
  parseBytes,
  parseCount,
  parsePort,
  parseSocketAddress,
  parseWorkers,
  quietOption,
} from "../arguments.ts";

interface ProxyCommandOptions {
  readonly balance: Policy;
  readonly connectTimeout: number;
  readonly idleTimeout: number;
  readonly timeout: number;
  readonly maxBytes?: number;
  readonly maxConnections?: number;
  readonly sendProxy?: keyof typeof versions;
  readonly acceptProxy?: readonly string[];
  readonly drain: number;
  readonly logFile?: string;
  readonly logFormat: "line" | "json";
  readonly quiet?: boolean;
  readonly workers?: number;
  readonly metricsPort?: number;
  readonly metricsHostname: string;
}

const versions = { v1: 1, v2: 2 } as const;

export const proxyCommand = (): Command =>
  new Command("proxy")
    .description("take connections to one of several upstreams, each passed on by the kernel")
    .addArgument(
      new Argument("<listen>", "HOST:PORT, a port of 127.0.0.1, or the path of a Unix socket").argParser(
        parseSocketAddress,
      ),
    )
    .addArgument(
      new Argument("<upstream...>", "where connections go: the same, several with commas between").argParser(parseEnds),
    )
    .addOption(new Option("--balance <policy>", "which upstream is next").choices([...policies]).default(policies[0]))
    .addOption(durationOption("--connect-timeout <seconds>", "try another upstream after so long", 5000))
    .addOption(
      durationOption("--idle-timeout <seconds>", "end connections on which nothing moves for so long; 0: never", 0),
    )
    .addOption(durationOption("--timeout <seconds>", "end connections after so long; 0: never", 0))
    .option("--max-bytes <bytes>", "end connections after so many in one direction", parseBytes)
    .option(
      "--max-connections <number>",
      "open at a time; more are closed as they come (default: 10000, or what the limit on open files is enough for)",
      parseCount,
    )
    .addOption(
      new Option("--send-proxy <version>", "tell upstreams who the client is, by the PROXY protocol").choices(
        Object.keys(versions),
      ),
    )
    .option(
      "--accept-proxy <from>",
      'take connections from these addresses or prefixes alone ("unix" for Unix sockets), and their word for who the client is',
      (text) => text.split(","),
    )
    .addOption(durationOption("--drain <seconds>", "wait so long for connections to end when told to end", 10_000))
    .option("--workers <number>", "proxy in so many processes, and replace those that end", parseWorkers)
    .option("--metrics-port <port>", "answer /metrics there, for Prometheus, and /healthz", parsePort)
    .option("--metrics-hostname <address>", "… and on this address", "127.0.0.1")
    .addOption(formerOption("--metrics-host <address>", "metricsHostname"))
    .addOption(logFormatOption())
    .addOption(logFileOption())
    .addOption(jsonLogOption())
    .addOption(quietOption())
    .action(async (listen: Address, upstreams: readonly Address[], options: ProxyCommandOptions, command: Command) => {
      const { metricsPort, metricsHostname, sendProxy, acceptProxy, quiet = false } = options;
      // What only a proxy needs takes its time to load.
      const { parseTrust } = await import("../proxy/peers.ts");
      const { runProxy } = await import("../proxy/proxy-connections.ts");
      if (acceptProxy !== undefined && parseTrust(acceptProxy) === undefined)
        command.error(
          `error: option '--accept-proxy <from>' argument '${acceptProxy.join(",")}' is invalid. It is addresses, prefixes such as 10.0.0.0/8, or "unix", with commas between.`,
        );
      await runProxy({
        listen,
        upstreams,
        policy: options.balance,
        connectTimeoutMs: options.connectTimeout,
        idleTimeoutMs: options.idleTimeout,
        timeoutMs: options.timeout,
        maxBytes: options.maxBytes,
        maxConnections: options.maxConnections,
        sendHead: sendProxy && versions[sendProxy],
        acceptHead: acceptProxy,
        drainMs: options.drain,
        logFile: options.logFile,
        log: quiet ? "none" : options.logFormat,
        quiet,
        workers: options.workers,
        metricsAddress: metricsPort === undefined ? undefined : { host: metricsHostname, port: metricsPort },
      });
    });

function parseEnds(text: string, before: readonly Address[] | undefined): readonly Address[] {
  const ends = text.split(",").map(parseSocketAddress);
  if (ends.some((end) => "port" in end && end.port === 0)) throw new InvalidArgumentError("An upstream has no port 0.");
  return [...(before ?? []), ...ends];
}
