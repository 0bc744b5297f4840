/** Opens paths beneath folders by all that confine, and tells what came of each: a file's text, a kind, or a refusal. */
import * as fs from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { capabilities } from "sluice";
import { file } from "sluice/fetch";
import { instantiatePlugin } from "sluice/wasi";
import { openDescriptors } from "../../support/fds.ts";
import { codeOf, type Descriptor, lend, textOf } from "./guest-folder.ts";

export interface Asked {
  readonly root: string;
  readonly paths: readonly string[];
  /** Paths at which a guest makes files. */
  readonly made?: readonly string[];
  /** Where a lent engine copies to. */
  readonly into: string;
  readonly asNobody?: boolean;
}

export interface Told {
  readonly fetch: Readonly<Record<string, string>>;
  readonly guest: Readonly<Record<string, string>>;
  /** Of a guest with the engine; empty where there is none. */
  readonly lent: Readonly<Record<string, string>>;
  readonly made: Readonly<Record<string, string>>;
  /** Descriptors beneath the root that are left open. */
  readonly left: readonly string[];
}

async function byFetch(root: string, path: string): Promise<string> {
  const request = new Request("http://site.test/");
  const url = `/${path.split("/").map(encodeURIComponent).join("/")}`;
  const answer = await file(request, url, { root });
  const text = await answer.text();
  return answer.status === 200 ? text : String(answer.status);
}

function byGuest(folder: Descriptor, path: string): string {
  try {
    using opened = folder.openAt({ symlinkFollow: true }, path, {}, { read: true });
    return opened.getType() === "regular-file" ? textOf(opened) : opened.getType();
  } catch (error) {
    return codeOf(error);
  }
}

function make(folder: Descriptor, path: string): string {
  try {
    using opened = folder.openAt({ symlinkFollow: true }, path, { create: true }, { write: true });
    return opened.getType() === "regular-file" ? "made" : opened.getType();
  } catch (error) {
    return codeOf(error);
  }
}

async function each(paths: readonly string[], open: (path: string) => string | Promise<string>) {
  const told: Record<string, string> = {};
  for (const path of paths) told[path] = await open(path);
  return told;
}

async function byLent({ root, paths, into }: Asked): Promise<Readonly<Record<string, string>>> {
  if (!capabilities().engine.available) return {};
  const guest = await instantiatePlugin({ roots: { "/root": { path: root }, "/into": { path: into, write: true } } });
  const told = await each(paths, (path) => {
    try {
      guest.transfer(`/root/${path}`, "/into/copy");
      return fs.readFileSync(join(into, "copy"), "utf8");
    } catch (error) {
      return (error as { readonly code?: string }).code ?? String(error);
    }
  });
  guest.close();
  return told;
}

async function tell(asked: Asked): Promise<Told> {
  const { root, paths, made = [], asNobody = false } = asked;
  // What is loaded late is loaded by root.
  await byFetch(root, "inside.txt");
  const lent = asNobody ? {} : await byLent(asked);
  const { folder, close } = lend(root);
  if (asNobody) process.seteuid?.(65_534);
  const told = {
    fetch: await each(paths, (path) => byFetch(root, path)),
    guest: await each(paths, (path) => byGuest(folder, path)),
    lent,
    made: await each(made, (path) => make(folder, path)),
  };
  folder[Symbol.dispose]();
  close();
  if (asNobody) process.seteuid?.(0);
  return { ...told, left: openDescriptors().filter((name) => name.startsWith(root)) };
}

const all: Told[] = [];
for (const asked of JSON.parse(process.argv[2] ?? "[]") as readonly Asked[]) all.push(await tell(asked));
console.log(JSON.stringify(all));
