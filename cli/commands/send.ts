/** `sluice send FILE HOST:PORT` */
import { once } from "node:events";
import { stat } from "node:fs/promises";
import { connect, type Socket } from "node:net";
import { Argument, Command } from "commander";
import { formatAddress, type HostAddress } from "../address.ts";
import { type CacheMode, type Report, type Strategy, transfer, type TransferOptions } from "sluice";
import {
  jsonOption,
  lengthOption,
  limitOption,
  offsetOption,
  parseDestination,
  quietOption,
  cacheOption,
  strategyOption,
} from "../arguments.ts";
import { reset } from "../reset.ts";
import { atPace, Pace } from "../pace.ts";
import { withSource } from "../source.ts";
import { type JobContext, type JobOptions, runJob } from "../job.ts";

interface SendOptions extends JobOptions {
  readonly strategy?: Strategy;
  readonly cache?: CacheMode;
  readonly offset?: number;
  readonly length?: number;
  readonly limit?: number;
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
    .addOption(limitOption())
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
  const { offset = 0, length = Infinity, limit, strategy, cache } = options;
  const { signal, onProgress } = context;
  const size = file === "-" ? undefined : await sizeOf(file);
  const socket = connect({ ...destination, allowHalfOpen: true });
  try {
    await once(socket, "connect", { signal });
    // Unread input would turn our close into a reset, which can take bytes from the reader.
    socket.resume();
    context.expect(size === undefined ? undefined : Math.min(Math.max(0, size - offset), length));
    const asked = { strategy, cache, signal };
    const report = await (limit === undefined
      ? transfer(file === "-" ? 0 : file, socket, { ...asked, offset, length, onProgress })
      : sendPaced(file, socket, { ...asked, offset }, length, limit, context));
    await finish(socket, signal);
    return report;
  } catch (error) {
    reset(socket);
    throw error;
  }
}

function sendPaced(
  file: string,
  socket: Socket,
  options: TransferOptions & { readonly offset: number },
  length: number,
  limit: number,
  { signal, onProgress }: JobContext,
): Promise<Report> {
  return withSource(file, (source) =>
    atPace(new Pace(limit), { signal, onProgress, length }, ({ moved, ...piece }) =>
      transfer(source.end, socket, {
        ...options,
        ...piece,
        offset: moved === 0 ? options.offset : source.offset(options.offset + moved),
      }),
    ),
  );
}

/** The size, where there is one. Asked before connecting, so that a missing file makes no connection. */
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
