/** Says what a transfer would do, without doing any of it. */
import { constants } from "node:fs";
import { open, stat } from "node:fs/promises";
import { dirname } from "node:path";
import { fileURLToPath } from "node:url";
import { type Endpoint, endpoint } from "../../core/endpoint.ts";
import { type Explanation, explainPlan } from "../../core/explain.ts";
import { checkOptions, type TransferOptions } from "../../core/request.ts";
import { select } from "../../core/select.ts";
import type { Source, Target } from "./api.ts";
import { inspectFd } from "./inspect.ts";
import type { Machine } from "./machine.ts";
import { codeOf, explained } from "./system-error.ts";
import { sourceOf, targetOf } from "./ends/recognise.ts";

async function inspectPath(machine: Machine, path: string, flags: number): Promise<Endpoint> {
  const handle = await open(path, flags | constants.O_NONBLOCK | constants.O_NOCTTY);
  try {
    return inspectFd(machine.native, handle.fd, path);
  } finally {
    await handle.close();
  }
}

/** A file that is not there yet is taken for an empty one in its folder. */
async function inspectTargetPath(machine: Machine, path: string): Promise<Endpoint> {
  try {
    return await inspectPath(machine, path, (await stat(path)).isDirectory() ? constants.O_RDONLY : constants.O_WRONLY);
  } catch (error) {
    if (codeOf(error) !== "ENOENT") throw explained(error, `open ${path}`, "open");
  }
  const folder = await inspectPath(machine, dirname(path), constants.O_RDONLY).catch((error: unknown) => {
    throw explained(error, `open ${path}`, "open");
  });
  const { identity, filesystem, fd } = folder;
  return endpoint({
    kind: "file",
    name: path,
    size: 0,
    filesystem,
    fd,
    identity: identity && { ...identity, inode: 0 },
  });
}

/** What a target is, without opening it for good. */
async function inspectTarget(machine: Machine, to: Target): Promise<Endpoint> {
  if (typeof to === "string" || to instanceof URL)
    return inspectTargetPath(machine, typeof to === "string" ? to : fileURLToPath(to));
  const target = targetOf(to, machine.runtime, undefined);
  try {
    return target.inspect(machine.native);
  } finally {
    await target.end(false, false);
  }
}

/** Explains; see the entry of each runtime for the contract. */
export async function explain(
  machine: Machine,
  from: Source,
  to: Target,
  options: TransferOptions = {},
): Promise<Explanation> {
  const asked = checkOptions(options);
  const source = sourceOf(from, machine.runtime);
  try {
    await source.open();
    const inspected = source.inspect(machine.native);
    const target = await inspectTarget(machine, to);
    const isPath = typeof to === "string" || to instanceof URL;
    const starting = isPath && target.kind === "file" && asked.targetOffset === undefined;
    return explainPlan(select(inspected, target, starting ? { ...asked, targetOffset: 0 } : asked, machine.knowledge));
  } finally {
    await source.end(false);
  }
}
