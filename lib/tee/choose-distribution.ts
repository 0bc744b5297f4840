/** How the bytes of one source get to several targets: what is possible with it, and what is best. */
import { TransferError } from "../../core/error.ts";
import { type Endpoint, hasPositions } from "../../core/plan/endpoint.ts";
import { sourceRefusal } from "../../core/plan/ends-check.ts";
import type { TeeRequest } from "../../core/tee.ts";
import type { SourceEnd } from "../ends/source.ts";
import type { Machine } from "../engine/machine.ts";
import type { Cancellation } from "../transfer/cancellation.ts";
import type { Distribution } from "./distribution.ts";
import { EngineDistribution } from "./engine-distribution.ts";
import { PortableDistribution } from "./portable-distribution.ts";

const means = { auto: ["tee", "buffered"], tee: ["tee"], buffered: ["buffered"] } as const;

/** Whether every target may read the source by itself: it stays the same, however often it is read. */
export function isReadAgain({ kind }: Endpoint): boolean {
  return kind === "file" || kind === "memory";
}

function unsupported(detail: string): TransferError {
  return new TransferError(`Cannot tee: ${detail}`, { code: "ERR_SLUICE_UNSUPPORTED" });
}

/** @throws TransferError where nothing can be read from the source as it is asked for */
export function checkSource(found: Endpoint, { offset }: TeeRequest): void {
  const refusal = sourceRefusal(found, offset);
  if (refusal !== undefined) throw new TransferError(`Cannot tee: ${refusal.detail}`, { code: refusal.code });
}

/** Takes what the runtime had read, and answers it with what is left of the source. */
async function takeHead(source: SourceEnd, found: Endpoint, length: number | undefined): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  const most = Math.min(found.buffered, length ?? found.buffered);
  for (let taken = 0; taken < most;) {
    const part = await source.read(most - taken, undefined);
    if (part === undefined) break;
    parts.push(part);
    taken += part.byteLength;
  }
  return Buffer.concat(parts);
}

/** @throws TransferError where the source can't be distributed in the way that was asked for */
export async function distribute(
  machine: Machine,
  source: SourceEnd,
  found: Endpoint,
  count: number,
  request: TeeRequest,
  cancellation: Cancellation,
): Promise<Distribution> {
  const { strategy } = request;
  if (strategy === "separate") throw unsupported(`${found.name} can be read once alone`);
  const { engine } = machine;
  const positioned = hasPositions(found);
  const withoutFd =
    engine === undefined ? String(machine.native) : (found.withoutFd ?? `${found.name} has no descriptor`);
  const why =
    strategy === "portable"
      ? "asked for"
      : engine === undefined || !found.fd || source.fd === undefined
        ? withoutFd
        : strategy === "auto"
          ? found.readByRuntime
          : undefined;
  if (why !== undefined && strategy !== "auto" && strategy !== "portable") throw unsupported(why);
  if (why !== undefined || engine === undefined || source.fd === undefined || strategy === "portable") {
    source.keepReadable?.();
    return new PortableDistribution(source, positioned, count, request, cancellation, why ?? withoutFd);
  }
  source.stop?.();
  const offset = positioned ? request.offset : undefined;
  // The descriptor is duplicated before anything is waited for.
  const { fd } = source;
  const held = machine.engine === undefined ? -1 : engine.native.sluice_duplicate(fd);
  try {
    const head = await takeHead(source, found, request.length);
    return new EngineDistribution(engine, held < 0 ? fd : held, head, count, means[strategy], { ...request, offset });
  } finally {
    if (held >= 0) engine.native.sluice_close(held);
  }
}
