/** Two apps that differ in the preload alone, and the assertion that nobody can tell which is which. */
import * as assert from "uvu/assert";
import { needs } from "../../support/needs.ts";
import type { Entry } from "../apps/recorder.ts";
import { App, type AppOptions } from "./app.ts";
import { type Answer, visit, type Visit } from "./visit.ts";

/** Without an engine the preload takes nothing over, and all the rest is as well. */
export const hasEngine = (await needs.engine()) === undefined;

export const preload: readonly string[] = ["--import", "sluice/register"];

export interface Pair extends AsyncDisposable {
  readonly on: App;
  readonly off: App;
}

/** Starts an app twice; `loading` are the options that load the preload into one of the two. */
export async function startPair(options: AppOptions, loading = preload): Promise<Pair> {
  const { execArgv = [] } = options;
  const [on, off] = await Promise.all([
    App.start({ ...options, execArgv: [...execArgv, ...loading] }),
    App.start(options),
  ]);
  return {
    on,
    off,
    async [Symbol.asyncDispose]() {
      await Promise.all([on[Symbol.asyncDispose](), off[Symbol.asyncDispose]()]);
    },
  };
}

/** What both sides of a pair answered to a question. */
export interface Both<T> {
  readonly on: T;
  readonly off: T;
}

/** Does the same with both sides, at the same time. */
export async function both<T>({ on, off }: Pair, act: (app: App) => Promise<T>): Promise<Both<T>> {
  const [ofOn, ofOff] = await Promise.all([act(on), act(off)]);
  return { on: ofOn, off: ofOff };
}

const line = ({ emitter, event, state }: Entry) => `${emitter} ${event} ${JSON.stringify(state)}`;

/**
 * The events of a request in the orders that Node guarantees: those of each emitter, and those of the app, the
 * response and the sources among each other. A stream's 'close' comes when a thread has closed the file, or another
 * connection is gone, and a request's events when the parser gets to it, which is at any time with regard to the others.
 */
function orders(entries: readonly Entry[]): Readonly<Record<string, readonly string[]>> {
  const emitters = [...new Set(entries.map(({ emitter }) => emitter))].sort();
  const own = emitters.map((name) => [name, entries.filter(({ emitter }) => emitter === name).map(line)]);
  const isLoose = ({ emitter, event }: Entry) =>
    /^(request|outgoing)/.test(emitter) || (/^(source|target)/.test(emitter) && event === "close");
  return { together: entries.filter((entry) => !isLoose(entry)).map(line), ...Object.fromEntries(own) };
}

/** The events that happened in the context of their request. */
const inContext = (entries: readonly Entry[], id: string) =>
  entries
    .filter(({ context }) => context === id)
    .map(({ emitter, event }) => `${emitter} ${event}`)
    .sort();

export function assertSameEvents({ on, off }: Both<readonly Entry[]>): void {
  assert.equal(orders(on), orders(off), "events");
}

/** The same where the client stood still or went: how far the source was by then is the kernel's affair. */
export function assertSameCourse({ on, off }: Both<readonly Entry[]>): void {
  assertSameEvents({ on: withoutCounts(on), off: withoutCounts(off) });
}

function withoutCounts(entries: readonly Entry[]): readonly Entry[] {
  return entries.map((entry) => {
    const { bytesRead: _read, bytesWritten: _written, ...state } = entry.state;
    return entry.event === "end" ? entry : { ...entry, state };
  });
}

/** Whether the preload is to take a stream over; undefined where that is its own affair. */
export type Taken = boolean | undefined;

/** Has both answer a request and asserts that the client, and the app itself, can't tell one from the other. */
export async function assertSame(
  pair: Pair,
  id: string,
  request: Visit,
  taken: Taken | ((answer: Answer) => Taken),
): Promise<Answer> {
  const { on, off } = await both(pair, (app) => visit(app, id, request));
  assert.equal(on.answer, off.answer, "what the client got");
  assertSameEvents({ on: on.log, off: off.log });
  assert.equal(inContext(on.log, id), inContext(off.log, id), "events that have their AsyncLocalStorage store");
  await assertTaken(pair.on, typeof taken === "function" ? taken(on.answer) : taken);
  return on.answer;
}

/** Asserts what became of the streams since the last call. */
export async function assertTaken(app: App, taken: Taken): Promise<void> {
  const published = await app.published();
  const natives = published.filter(({ native }) => native).length;
  if (taken !== undefined) assert.is(natives, taken && hasEngine ? 1 : 0, `taken over: ${JSON.stringify(published)}`);
}
