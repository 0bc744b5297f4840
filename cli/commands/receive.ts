/** `sluice receive PORT FILE` */
import { once } from "node:events";
import { createServer, type Server, type Socket } from "node:net";
import { Argument, Command } from "commander";
import { formatAddress } from "../address.ts";
import { type Report, type Target, transfer, TransferError } from "sluice";
import { errnoText, writeInGoes } from "sluice/internal";
import { formerOption, jsonOption, limitOption, parseBytes, parsePort, quietOption } from "../arguments.ts";
import { atPace, Pace } from "../pace.ts";
import { reset, wasReset } from "../reset.ts";
import { type JobContext, type JobOptions, runJob } from "../job.ts";
import { UsageError } from "../exit.ts";
import { targetKind, writeTarget } from "../target.ts";
import { tell } from "../screen.ts";

interface ReceiveOptions extends JobOptions {
  readonly hostname?: string;
  readonly expect?: number;
  readonly limit?: number;
  readonly durable?: boolean;
  readonly resume?: boolean;
}

export const receiveCommand = (): Command =>
  new Command("receive")
    .description("take one TCP connection and write what it brings into a file, whole or not at all")
    .addArgument(new Argument("<port>", "where to listen; 0 lets the system choose").argParser(parsePort))
    .argument("<file>", 'what to write; "-" is standard output')
    .option("--hostname <address>", "listen on this address alone (default: all)")
    .addOption(formerOption("--host <address>", "hostname"))
    .option("--expect <bytes>", "fail unless exactly this much arrives", parseBytes)
    .option(
      "--resume",
      "keep what came when the connection breaks off, beside the file, and go on from there next time",
    )
    .addOption(limitOption())
    .option("--durable", "fsync the file and its folder before the sender is told")
    .addOption(quietOption())
    .addOption(jsonOption())
    .action((port: number, file: string, options: ReceiveOptions) =>
      runJob(`receive ${file}`, options, (context) => receive(port, file, options, context)),
    );

async function receive(port: number, file: string, options: ReceiveOptions, context: JobContext): Promise<Report> {
  if (options.resume === true) return receiveInGoes(port, file, options, context);
  return receiving(port, options, context, (socket) => {
    context.expect(options.expect);
    return writeTarget(file, { overwrite: true, durable: options.durable === true }, (target) =>
      take(socket, target, options, context),
    );
  });
}

/** The sender has to be told where to go on; the file that came so far is therefore looked at before anybody connects. */
async function receiveInGoes(
  port: number,
  file: string,
  options: ReceiveOptions,
  context: JobContext,
): Promise<Report> {
  if (file === "-" || (await targetKind(file)) !== "file")
    throw new UsageError("--resume needs a regular file to write");
  return writeInGoes(file, options.durable === true, async ({ path, offset }) => {
    const left = options.expect === undefined ? undefined : options.expect - offset;
    if (left !== undefined && left < 0)
      throw new TransferError(`Cannot receive: ${path} has ${offset} bytes already`, { code: "ERR_OUT_OF_RANGE" });
    if (offset > 0) tell(`Going on at byte ${offset}: sluice send --offset ${offset}`);
    try {
      const report = await receiving(port, options, context, (socket) => {
        context.expect(left);
        return take(socket, path, { ...options, expect: left }, context, offset);
      });
      return { ...report, resumedAt: offset } as Report;
    } catch (error) {
      const come = offset + (error instanceof TransferError ? error.bytesTransferred : 0);
      if (come > 0) tell(`${come} bytes are in ${path}: go on with --resume and sluice send --offset ${come}`);
      throw error;
    }
  });
}

/** Takes one connection, and lets the sender know how it went: by a clean end or a reset. */
async function receiving(
  port: number,
  options: ReceiveOptions,
  { signal }: JobContext,
  work: (socket: Socket) => Promise<Report>,
): Promise<Report> {
  const socket = await accept(port, options, signal);
  try {
    const report = await work(socket);
    socket.destroy();
    return report;
  } catch (error) {
    reset(socket);
    throw error;
  }
}

/** Listens until the first connection, and takes no second one. */
async function accept(port: number, { hostname, quiet }: ReceiveOptions, signal: AbortSignal): Promise<Socket> {
  const server = createServer({ pauseOnConnect: true, allowHalfOpen: true });
  try {
    server.listen(port, hostname);
    await once(server, "listening", { signal });
    if (quiet !== true || port === 0) tell(`Listening on ${addressOf(server)}`);
    const [socket] = (await once(server, "connection", { signal })) as [Socket];
    return socket;
  } finally {
    server.close();
  }
}

function addressOf(server: Server): string {
  const address = server.address();
  if (address === null || typeof address === "string") return String(address);
  return formatAddress({ host: address.address, port: address.port });
}

/** A connection has no length of its own: a sender that was killed may end it as one that is done does. */
async function take(
  socket: Socket,
  target: Target,
  { expect: expected, limit }: { readonly expect?: number | undefined; readonly limit?: number },
  { signal, onProgress }: JobContext,
  targetOffset?: number,
): Promise<Report> {
  const pace = limit === undefined ? undefined : new Pace(limit);
  const report = await atPace(pace, { signal, onProgress }, ({ moved, ...piece }) =>
    transfer(socket, target, {
      ...piece,
      signal,
      targetOffset: targetOffset === undefined ? undefined : targetOffset + moved,
    }),
  );
  if (wasReset(socket))
    throw new TransferError(`Cannot receive: ${errnoText("ECONNRESET")} (ECONNRESET)`, {
      code: "ECONNRESET",
      bytesTransferred: report.bytes,
    });
  if (expected === undefined || report.bytes === expected) return report;
  throw new TransferError(`Cannot receive: expected ${expected} bytes, the connection ended after ${report.bytes}`, {
    code: "ERR_SLUICE_TRUNCATED",
    bytesTransferred: report.bytes,
  });
}
