/** The `_read` of files: from the first read on, bytes go from the file to where it is piped to. */
import type { ReadStream } from "node:fs";
import { machineFor } from "../../engine/machine.ts";
import { slot } from "../../support/slot.ts";
import { FileFeed } from "../feeds/file-feed.ts";
import { type FileMethods, quickDestroy } from "../feeds/quick-close.ts";
import { handOver } from "./decision.ts";
import type { Surroundings } from "./surroundings.ts";

/**
 * Makes an `_read` for files out of Node's own. The first call decides for the stream's whole life: then the file is
 * open, and the listeners of 'open' have run. What is decided begins when Node's own call has returned: it may have
 * something in hand that was put in front of the file (unshift()).
 */
export function fileRead(original: FileMethods, surroundings: Surroundings): FileMethods["_read"] {
  const decided = slot<true>();
  const { runtime } = surroundings;
  const native = () => {
    const machine = machineFor(runtime);
    return typeof machine === "string" || typeof machine.native === "string" ? undefined : machine.native;
  };
  const methods = { ...original, _destroy: quickDestroy(original, native) };
  function _read(this: ReadStream, size: number): void {
    // A class of its own that calls this one reads in its own way.
    if (decided.get(this) || this._read !== _read) return original._read.call(this, size);
    decided.set(this, true);
    process.nextTick(handOver, this, new FileFeed(this, methods), surroundings);
  }
  return _read;
}
