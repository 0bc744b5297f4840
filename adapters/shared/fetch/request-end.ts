/** The end of a request, for what must not outlive it: servers of ours tell it. */

const ours = new WeakMap<Request, Set<() => void>>();

/** Announces a request that will be ended by the function it answers, whatever becomes of its response. */
export function beginRequest(request: Request): () => void {
  const acts = new Set<() => void>();
  ours.set(request, acts);
  return () => {
    for (const act of acts) act();
    acts.clear();
  };
}

/** Calls back at the end of a request that a server of ours has begun: what takes that back. Undefined where it is somebody else's. */
export function atRequestEnd(request: Request, act: () => void): (() => void) | undefined {
  const acts = ours.get(request);
  acts?.add(act);
  return acts && (() => void acts.delete(act));
}
