/** Endpoints and requests for tests of the core, ordinary except for what is given. */
import { type Endpoint, endpoint, type EndpointKind } from "#core/plan/endpoint.js";
import { checkOptions, type Request, type TransferOptions } from "#core/transfer/request.js";
import type { Knowledge } from "#core/plan/select.js";

/** What an adapter would find out about an open end of this kind. Files have 1 MiB. */
export function end(kind: EndpointKind, properties: Partial<Endpoint> = {}): Endpoint {
  const native = kind !== "memory" && kind !== "stream";
  return endpoint({
    kind,
    name: `the ${kind}`,
    fd: native,
    ...(!native && { withoutFd: `a ${kind} has no descriptor` }),
    ...((kind === "file" || kind === "memory") && { size: 1048576 }),
    ...properties,
  });
}

/** A file with an identity, to be told from others. */
export function file(inode: number, properties: Partial<Endpoint> = {}): Endpoint {
  return end("file", { identity: { device: 1n, inode: BigInt(inode) }, ...properties });
}

export function request(options: TransferOptions = {}): Request {
  return checkOptions(options);
}

/** Nothing has been tried yet. */
export const unknowing: Knowledge = () => ({ ability: "unknown", reason: "not probed yet" });
