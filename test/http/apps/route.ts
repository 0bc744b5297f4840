/** What a route of the plain app is, and what routes have in common. */
import * as fs from "node:fs";
import type * as http from "node:http";

export interface Exchange {
  /** The request's `?case=`. */
  readonly id: string;
  readonly request: http.IncomingMessage;
  readonly response: http.ServerResponse;
  readonly path: string;
  /** The size of the file, 0 where there is none. */
  readonly size: number;
  /** A watched stream of the file, or of another one. */
  open(options?: Parameters<typeof fs.createReadStream>[1], path?: string): fs.ReadStream;
  /** Puts something down in the log that is compared. */
  note(event: string, state?: Record<string, unknown>): void;
}

export interface Route {
  /** Whether the preload takes the stream over, where the body is no small one; undefined where that is its affair. */
  readonly taken: boolean | undefined;
  /** The source is never closed, by intent. */
  readonly leavesOpen?: true;
  readonly answer: (exchange: Exchange) => unknown;
}

export const taken = (answer: Route["answer"]): Route => ({ taken: true, answer });
export const untouched = (answer: Route["answer"]): Route => ({ taken: false, answer });

export const withLength = ({ response, size }: Exchange) => response.setHeader("content-length", size);

/** The class as it is called: its types know no arguments. */
export const FileStream = fs.ReadStream as unknown as new (path: string) => fs.ReadStream;
