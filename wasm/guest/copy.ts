/** Copies a file as a whole: into a temporary beside the target, which gets its name when it is complete. */
import { now } from "wasi:clocks/monotonic-clock@0.2.12";
import type { CopyOptions } from "sluice:transfer/types@0.1.0";
import type { Descriptor } from "wasi:filesystem/types@0.2.12";
import { errnoNumber, errnoText } from "#core/abi/errno.js";
import { TransferError } from "#core/error.js";
import type { Report } from "#core/transfer/report.js";
import { attempt, callFailed, errnoOf } from "./errors.ts";
import { close, inspectPair } from "./files.ts";
import { destination, openPlace, type Place, placeOf, sibling } from "./places.ts";
import { fill } from "./transfers.ts";

/** Names that may be taken, by a copy that is under way, before the next is given up. */
const mostTries = 100;

/** The clock tells copies apart: a component's random numbers are of the snapshot that it starts from. */
function createTemporary(target: Place): { readonly place: Place; readonly file: Descriptor } {
  for (let tries = 1; ; tries++) {
    const place = sibling(target, (last) => `.${last.slice(0, 200)}.sluice-${now().toString(36)}-${tries}`);
    try {
      const file = place.folder.openAt({}, place.path, { create: true, exclusive: true }, { write: true });
      return { place, file };
    } catch (thrown) {
      if (errnoOf(thrown) !== "EEXIST" || tries === mostTries)
        throw callFailed(`copy to ${target.name}`, "openat", thrown);
    }
  }
}

/** What must not be replaced: the source itself, a folder, and anything at all without `overwrite`. */
function checkExisting(source: Descriptor, from: string, target: Place, overwrite: boolean): void {
  let file: Descriptor;
  try {
    file = target.folder.openAt({ symlinkFollow: false }, target.path, {}, { read: true });
  } catch (thrown) {
    // One that can't be read can still be replaced.
    const code = errnoOf(thrown);
    if (code === "ENOENT" || (code === "EACCES" && overwrite)) return;
    throw callFailed(`copy to ${target.name}`, "openat", thrown);
  }
  try {
    const [one, other] = inspectPair(source, from, file, target.name);
    if (other.kind === "directory") refuse(target, "EISDIR");
    if (!overwrite) refuse(target, "EEXIST");
    if (one.identity?.inode === other.identity?.inode)
      throw new TransferError(`Cannot copy ${from}: ${target.name} is the same file`, { code: "ERR_SLUICE_OVERLAP" });
  } finally {
    close(file);
  }
}

function refuse({ name }: Place, code: "EISDIR" | "EEXIST"): never {
  throw new TransferError(`Cannot copy to ${name}: ${errnoText(code)} (${code})`, { code, errno: errnoNumber(code) });
}

function publish(temporary: Place, target: Place, overwrite: boolean): void {
  const what = `copy to ${target.name}`;
  if (overwrite) {
    attempt(what, "renameat", () => temporary.folder.renameAt(temporary.path, target.folder, target.path));
    return;
  }
  // A link fails where the name is taken meanwhile; a rename would replace it.
  attempt(what, "linkat", () => temporary.folder.linkAt({}, temporary.path, target.folder, target.path));
  attempt(what, "unlinkat", () => temporary.folder.unlinkFileAt(temporary.path));
}

export function copyFile(from: string, to: string, { overwrite, durable }: CopyOptions): Report {
  const started = now();
  const source = openPlace(placeOf("source", from), {}, { read: true });
  let temporary: ReturnType<typeof createTemporary> | undefined;
  let done = false;
  try {
    const target = overwrite ? destination(placeOf("target", to)) : placeOf("target", to);
    checkExisting(source, from, target, overwrite);
    temporary = createTemporary(target);
    const { place, file } = temporary;
    const report = fill(source, from, file, to, started);
    if (durable) attempt(`copy to ${to}`, "fsync", () => file.sync());
    publish(place, target, overwrite);
    done = true;
    return { ...report, durationNs: now() - started };
  } finally {
    close(temporary?.file);
    close(source);
    if (temporary !== undefined && !done) temporary.place.folder.unlinkFileAt(temporary.place.path);
  }
}
