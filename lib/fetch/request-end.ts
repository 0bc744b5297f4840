/** The end of a request, for what must not outlive it: servers of ours tell it. */

/** What is to be done at the end of a request. */
export class RequestEnd {
  /** Held until then: Node collects the signal of a Request with it, whoever listens to that. */
  request: Request | undefined;
  /** The client's, where its connection has one. */
  readonly address: string | undefined;
  #acts: Set<() => void> | undefined = new Set();

  constructor(request: Request, address: string | undefined) {
    this.request = request;
    this.address = address;
  }

  get isPast(): boolean {
    return this.#acts === undefined;
  }

  /** Has something done at the end, or at once where that is past: what takes that back. */
  add(act: () => void): () => void {
    if (this.#acts === undefined) act();
    else this.#acts.add(act);
    return () => void this.#acts?.delete(act);
  }

  come(): void {
    const acts = this.#acts ?? [];
    this.#acts = undefined;
    this.request = undefined;
    for (const act of acts) act();
  }
}

const ours = new WeakMap<Request, RequestEnd>();

/** Announces a request whose end will come, whatever becomes of its response. */
export function beginRequest(request: Request, address: string | undefined): RequestEnd {
  const end = new RequestEnd(request, address);
  ours.set(request, end);
  return end;
}

/** Whether a server of ours has begun a request. */
export const isOurs = (request: Request): boolean => ours.has(request);

/** The address of the client of a request that a server of ours has begun. */
export const addressOf = (request: Request): string | undefined => ours.get(request)?.address;

/** Has something done at the end of a request that a server of ours has begun. Undefined for other requests. */
export function atRequestEnd(request: Request, act: () => void): (() => void) | undefined {
  return ours.get(request)?.add(act);
}
