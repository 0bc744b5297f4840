/** `sluice send FILE HOST:PORT` */
import { once } from "node:events";
import { stat } from "node:fs/promises";
import { connect, type Socket } from "node:net";
import { Argument, Command } from "commander";
import { formatAddress, type HostAddress } from "../address.ts";
import type { CacheMode, Strategy } from "../../core/plan/kernel.ts";
import type { Report } from "../../core/transfer/report.ts";
import { transfer } from "../../adapters/node.ts";
import {
  jsonOption,
  lengthOption,
  offsetOption,
  parseDestination,
  quietOption,
  cacheOption,
  strategyOption,
} from "../arguments.ts";
import { reset } from "../connection.ts";
import { type JobContext, type JobOptions, runJob } from "../job.ts";

interface SendOptions extends JobOptions {
  readonly strategy?: Strategy;
  readonly cache?: CacheMode;
  readonly offset?: number;
  readonly length?: number;
}

export const sendCommand = (): Command =>
  new Command("send")
    .description("send a file over a TCP connection; its end is the end of the connection")
    .argument("<file>", 'what to send; "-" is standard input')
    .addArgument(new Argument("<host:port>", "where to; IPv6 in brackets").argParser(parseDestination))
    .addOption(strategyOption())
    .addOption(cacheOption())
    .addOption(offsetOption())
    .addOption(lengthOption())
    .addOption(quietOption())
    .addOption(jsonOption())
    .action((file: string, destination: HostAddress, options: SendOptions) =>
      runJob(`send ${file} to ${formatAddress(destination)}`, options, (context) =>
        send(file, destination, options, context),
      ),
    );

async function send(
  file: string,
  destination: HostAddress,
  options: SendOptions,
  context: JobContext,
): Promise<Report> {
  const { offset = 0, length = Infinity, strategy, cache } = options;
  const { signal, onProgress } = context;
  const size = file === "-" ? undefined : await sizeOf(file);
  const socket = connect({ ...destination, allowHalfOpen: true });
  try {
    await once(socket, "connect", { signal });
    // Unread input would turn our close into a reset, which can take bytes from the reader.
    socket.resume();
    context.expect(size === undefined ? undefined : Math.min(Math.max(0, size - offset), length));
    const report = await transfer(file === "-" ? 0 : file, socket, {
      offset,
      length,
      strategy,
      cache,
      signal,
      onProgress,
    });
    await finish(socket, signal);
    return report;
  } catch (error) {
    reset(socket);
    throw error;
  }
}

/** The size, where there is one. Asked before connecting, so that a missing file disturbs nobody. */
async function sizeOf(file: string): Promise<number | undefined> {
  const facts = await stat(file);
  return facts.isFile() && facts.size > 0 ? facts.size : undefined;
}

/** Ends our side and waits until the reader has ended its own: only then is nothing left that could be refused. */
async function finish(socket: Socket, signal: AbortSignal): Promise<void> {
  const closed = once(socket, "close", { signal });
  socket.end();
  await closed;
}
