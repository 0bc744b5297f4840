/** What Deno.serve is answered with. It sends files of Deno's own past JavaScript, within the Content-Length of their answer. */
import type { OwnServer } from "../../lib/fetch/traits.ts";
import { seesDescriptors } from "./permissions.ts";

/** Whether files may be opened by way of /proc: asking costs as much as opening one. */
let mayReach: boolean | undefined;

export const ownServer: OwnServer = {
  /** Of all Requests only those that have been received refuse a change of their headers. */
  hasMade({ headers }) {
    try {
      headers.delete("sluice-no-such-field");
      return false;
    } catch (error) {
      if (error instanceof TypeError) return true;
      throw error;
    }
  },
  openBody({ headers }, fd, offset) {
    // HTTP/2 has no such field, and there Deno sends what a file has grown by, beyond the length.
    if (!headers.has("host") || !(mayReach ??= seesDescriptors())) return undefined;
    let file: Deno.FsFile | undefined;
    try {
      file = Deno.openSync(`/proc/self/fd/${fd}`);
      if (offset > 0) file.seekSync(offset, Deno.SeekMode.Start);
    } catch {
      // No descriptor left, or no permission any more: what is open already is read as elsewhere.
      file?.close();
      return undefined;
    }
    return file.readable;
  },
};
