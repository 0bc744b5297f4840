/** What the ways of bodies.ts have in hand, and what a test can do to it while it is under way. */
import { createHash } from "node:crypto";
import { createWriteStream } from "node:fs";
import type * as http from "node:http";
import { type Readable, Writable } from "node:stream";
import { note, watch } from "./recorder.ts";

export interface Exchange {
  readonly id: string;
  readonly request: http.IncomingMessage;
  readonly response: http.ServerResponse;
  /** The file to write to. */
  readonly path: string;
  /** The port of the server behind this one. */
  readonly port: number;
  note(event: string, state?: Readonly<Record<string, unknown>>): void;
}

export type Way = (exchange: Exchange) => unknown;

export const codeOf = (error: unknown): string | undefined =>
  error === undefined || error === null ? undefined : ((error as NodeJS.ErrnoException).code ?? String(error));

/** A body that is, or may be, on its way. */
interface Held {
  readonly id: string;
  readonly response: http.ServerResponse;
  readonly source: Readable;
  readonly target: Writable;
}

const held = new Map<string, Held>();

export function hold(entry: Held): void {
  held.set(entry.id, entry);
}

export const isHeld = (id: string): boolean => held.has(id);

/** What comes from now on: the test can't know where it starts, but that it is the tail of the body. */
function counting(id: string, event: string, source: Readable): Writable {
  const hash = createHash("sha256");
  let bytes = 0;
  const target = new Writable({
    write(chunk: Buffer, _encoding, callback) {
      bytes += chunk.length;
      hash.update(chunk);
      callback();
    },
  });
  source.on("end", () => note(id, event, { bytes, sha256: hash.digest("hex") }));
  return target;
}

const purpose = () => Object.assign(new Error("failed on purpose"), { code: "E_PURPOSE" });

const acts: Readonly<Record<string, (held: Held) => unknown>> = {
  pipe: ({ source, target }) => source.pipe(target),
  unpipe: ({ source, target }) => source.unpipe(target),
  pause: ({ source }) => source.pause(),
  resume: ({ source }) => source.resume(),
  destroy: ({ source }) => source.destroy(),
  fail: ({ source }) => source.destroy(purpose()),
  "destroy-target": ({ target }) => target.destroy(),
  "fail-target": ({ target }) => target.destroy(purpose()),
  "end-target": ({ target }) => target.end(),
  "destroy-response": ({ response }) => response.destroy(),
  "answer-early": ({ response }) => response.writeHead(413, { "content-length": 9 }).end("too large"),
  "add-listener": ({ id, source }) => {
    const sink = counting(id, "listened", source);
    source.on("data", (chunk) => sink.write(chunk));
  },
  "add-target": ({ id, source }) => source.pipe(counting(id, "second target", source)),
  encode: ({ source }) => source.setEncoding("latin1"),
  look: () => undefined,
};

/** Does ACT to what is held of a case. Answers what the streams say of themselves then. */
export function act(id: string, name: string): unknown {
  const found = held.get(id);
  const run = acts[name];
  if (found === undefined || run === undefined) throw new Error(`There is no ${name} for ${id}`);
  run(found);
  const { source, target } = found;
  return { flowing: source.readableFlowing, destroyed: source.destroyed, ended: target.writableEnded };
}

/** A file to write the body to, held together with the request. */
export function openFile({ id, request, response, path }: Exchange, options: { flags?: string; mode?: number } = {}) {
  const file = createWriteStream(path, options);
  watch(id, "target", file);
  hold({ id, response, source: request, target: file });
  return file;
}

/** Answers an upload with what became of it. */
export function conclude({ response, note: say }: Exchange, error?: unknown): void {
  const code = codeOf(error);
  say("concluded", { code });
  if (response.headersSent || response.destroyed) return;
  response.writeHead(code === undefined ? 201 : 500, { "content-type": "text/plain" });
  response.end(code ?? "stored");
}
