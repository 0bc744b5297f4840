/**
 * Makes a server tell what happens within it: the events of every response and of every stream piped to it, with what
 * those said of themselves at that moment, and what the preload published.
 *
 * The test talks to it over IPC (over a MessagePort within a worker): a request's log is found by its `?case=`.
 */
import { AsyncLocalStorage } from "node:async_hooks";
import { subscribe } from "node:diagnostics_channel";
import type { EventEmitter } from "node:events";
import { ReadStream } from "node:fs";
import type * as http from "node:http";
import type { Http2Server } from "node:http2";
import type { AddressInfo, Socket } from "node:net";
import process from "node:process";
import type { Readable, Writable } from "node:stream";
import { parentPort } from "node:worker_threads";
import { openDescriptors } from "../../support/fds.ts";

export interface Entry {
  /** "app" or the name of a kind in `observed`, with a number from the second source on. */
  readonly emitter: string;
  readonly event: string;
  readonly state: Readonly<Record<string, unknown>>;
  /** The case that AsyncLocalStorage knows at this moment. */
  readonly context: string | undefined;
}

/** What the channel `sluice:transfer` says of a stream. */
export interface Taken {
  readonly native: boolean;
  readonly reason: string;
  readonly bytes: number;
}

export interface Log {
  readonly entries: readonly Entry[];
  /** Responses, and the streams of other kinds, that have not emitted 'close' yet. */
  readonly open: { readonly responses: number; readonly sources: number };
}

export type Command = (...args: never[]) => unknown;

type State = (emitter: never) => Readonly<Record<string, unknown>>;

const sourceState: State = (source: Readable) => ({
  readableEnded: source.readableEnded,
  destroyed: source.destroyed,
  ...(source instanceof ReadStream && {
    bytesRead: source.bytesRead,
    hasDescriptor: "fd" in source && source.fd !== null,
  }),
});

const responseState: State = (response: http.ServerResponse) => ({
  statusCode: response.statusCode,
  headersSent: response.headersSent,
  writableEnded: response.writableEnded,
  writableFinished: response.writableFinished,
  destroyed: response.destroyed,
});

const targetState: State = (target: Writable) => ({
  // Before, it depends on how far a thread has got.
  ...("bytesWritten" in target && target.writableFinished && { bytesWritten: target.bytesWritten }),
  writableEnded: target.writableEnded,
  writableFinished: target.writableFinished,
  destroyed: target.destroyed,
});

const observed = {
  source: { events: ["open", "ready", "end", "close", "error"], state: sourceState },
  target: { events: ["pipe", "unpipe", "finish", "close", "error"], state: targetState },
  /** A ClientRequest. */
  outgoing: { events: ["pipe", "unpipe", "continue", "timeout", "finish", "close", "error"], state: targetState },
  response: { events: ["pipe", "unpipe", "finish", "close", "error"], state: responseState },
  request: { events: ["aborted", "close", "error"], state: () => ({}) },
} as const;

type Kind = keyof typeof observed;

const context = new AsyncLocalStorage<string>();
const cases = new Map<string, Entry[]>();
const watched = new Map<EventEmitter, { readonly name: string; readonly kind: Kind; closed: boolean }>();
const published: Taken[] = [];

function logOf(name: string): Entry[] {
  let log = cases.get(name);
  if (log === undefined) cases.set(name, (log = []));
  return log;
}

/** Puts down something that the app itself found out. */
export function note(name: string, event: string, state: Entry["state"] = {}): void {
  logOf(name).push({ emitter: "app", event, state, context: context.getStore() });
}

/** Puts down the events of an emitter from now on, once. */
export function watch(name: string, kind: Kind, emitter: EventEmitter): void {
  if (watched.has(emitter)) return;
  const { events, state } = observed[kind];
  const ordinal = watchedOf(name, kind).length + 1;
  const label = ordinal === 1 ? kind : `${kind} ${ordinal}`;
  const entry = { name, kind, closed: false };
  watched.set(emitter, entry);
  for (const event of events)
    emitter.on(event, () => {
      entry.closed ||= event === "close";
      logOf(name).push({ emitter: label, event, state: state(emitter as never), context: context.getStore() });
    });
}

const watchedOf = (name: string, kind: Kind) =>
  [...watched.values()].filter((each) => each.name === name && each.kind === kind);

const unclosedOf = (name: string, kind: Kind): number => watchedOf(name, kind).filter(({ closed }) => !closed).length;

export const caseOf = (request: http.IncomingMessage): string =>
  new URL(request.url ?? "/", "http://localhost").searchParams.get("case") ?? "none";

/** The connection of the latest request. */
let latest: Socket | undefined;

function record(request: http.IncomingMessage, response: http.ServerResponse): void {
  const name = caseOf(request);
  const { socket } = request;
  latest = socket;
  context.enterWith(name);
  watch(name, "request", request);
  watch(name, "response", response);
  response.on("pipe", (source: Readable) => watch(name, "source", source));
  response.on("close", () => note(name, "connection", { destroyed: socket.destroyed }));
}

const commands: Readonly<Record<string, Command>> = {
  log: (name: string): Log => ({
    entries: logOf(name),
    open: {
      responses: unclosedOf(name, "response"),
      sources: unclosedOf(name, "source") + unclosedOf(name, "target") + unclosedOf(name, "outgoing"),
    },
  }),
  /** What was published since the last call. */
  published: (): Taken[] => published.splice(0),
  bytesWritten: (): number => latest?.bytesWritten ?? 0,
  descriptors: openDescriptors,
  globals: (): string[] => Reflect.ownKeys(globalThis).map(String).sort(),
  resources: (): string[] => process.getActiveResourcesInfo().sort(),
};

/** A test that was killed has no use for its apps. */
const abandon = () => process.exit(1);
if (parentPort === null) process.on("disconnect", abandon);

/** Whoever gave this script its life: the process that forked it, or the thread that made it a worker. */
const parent =
  parentPort === null
    ? {
        on: (listener: (message: unknown) => void) => process.on("message", listener),
        send: (message: unknown) => process.send?.(message),
        leave: () => {
          process.off("disconnect", abandon);
          process.disconnect();
        },
      }
    : {
        on: (listener: (message: unknown) => void) => parentPort?.on("message", listener),
        send: (message: unknown) => parentPort?.postMessage(message),
        leave: () => parentPort?.close(),
      };

/** With the preload, what hand-overs rely on is tried first; until that is done every stream goes Node's way. */
async function untilProven(): Promise<void> {
  if (process.env["SLUICE_TEST_PRELOAD"] !== "1") return;
  const { verify } = await import("sluice/stream");
  await verify();
}

interface Question {
  readonly id: number;
  readonly command: string;
  readonly args: never[];
}

/** Listens on a free port and answers the test's commands, to which the app may add its own, until it says "leave". */
export function serveRecorded(server: http.Server | Http2Server, own: Readonly<Record<string, Command>> = {}): void {
  subscribe("sluice:transfer", (message) => {
    const { native, reason, bytes } = message as Taken;
    published.push({ native, reason, bytes });
  });
  server.prependListener("request", record as (...args: unknown[]) => void);
  // Without this a test that takes its time would lose its idle connection after five seconds.
  if ("keepAliveTimeout" in server) server.keepAliveTimeout = 30_000;
  const known: Readonly<Record<string, Command>> = {
    ...commands,
    ...own,
    connections: () => new Promise((resolve) => server.getConnections((_error, count) => resolve(count))),
    timeout: (ms: number) => {
      if ("timeout" in server) server.timeout = ms;
    },
    closeAll: () => {
      if ("closeAllConnections" in server) server.closeAllConnections();
    },
    leave: () => {
      server.close();
      if ("closeIdleConnections" in server) server.closeIdleConnections();
      parent.leave();
    },
  };
  parent.on((message) => {
    const { id, command, args } = message as Question;
    const run = known[command];
    if (run === undefined) throw new Error(`There is no command ${command}`);
    void Promise.resolve(run(...args)).then((answer) => {
      if (command !== "leave") parent.send({ id, answer });
    });
  });
  server.listen(0, "127.0.0.1", () => {
    void untilProven().then(() => parent.send({ port: (server.address() as AddressInfo).port }));
  });
}
