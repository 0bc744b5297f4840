/** Who is told of requests: the access log, the metrics. */

/** A request that is over. */
export interface Access {
  readonly time: Date;
  /** Where it came from, where the runtime tells. */
  readonly address: string | undefined;
  readonly method: string;
  /** Path and query as they were sent, percent-encoded. */
  readonly url: string;
  readonly status: number;
  /** Bytes of the body that left; undefined where the runtime doesn't tell. */
  readonly bytes: number | undefined;
  readonly durationMs: number;
  /** Whether the client was gone before the end. */
  readonly aborted: boolean;
  readonly referer: string | undefined;
  readonly userAgent: string | undefined;
}

export interface Observer {
  /** A request came in. */
  begin(): void;
  /** Its answer is over. `response` is what a transfer names as its target. */
  end(access: Access, response: object): void;
}

export type Handler = (request: Request) => Promise<Response>;

export interface Observation {
  /** The handler to serve with. */
  readonly handler: Handler;
  stop(): void;
}

/** Tells all of them. */
export function joinObservers(observers: readonly Observer[]): Observer {
  return {
    begin: () => observers.forEach((observer) => observer.begin()),
    end: (access, response) => observers.forEach((observer) => observer.end(access, response)),
  };
}
