/** Small C programs, for what no module of Node's can do. A test that runs one needs the `compiler`. */
import { execFileSync } from "node:child_process";
import { join } from "node:path";
import { compiler } from "./needs.ts";
import { root } from "./root.ts";
import { tempFolder } from "./temp.ts";

const programs = new Map<string, string>();

/** The program of a file of this folder. */
export function compiled(name: string): string {
  let program = programs.get(name);
  if (program !== undefined) return program;
  program = join(tempFolder(), name);
  const [command, ...flags] = compiler();
  execFileSync(command, [...flags, "-Wall", "-O1", "-o", program, join(root, `test/support/${name}.c`)]);
  programs.set(name, program);
  return program;
}
