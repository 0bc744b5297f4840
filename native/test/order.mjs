// What the files of native/src may know of each other, asked of their objects: which defines a symbol, and which uses it.
import { spawnSync } from "node:child_process";
import { basename } from "node:path";
import { root } from "../../.ci/build/files.mjs";
import { findCommand } from "../toolchain.mjs";

/** What knows of the lock or of a table. Mechanisms are given their work, and nothing of a job besides. */
const forbiddenToTurns = /^(engine_lock|unlock|defer|table_\w+|job_\w+|lanes_\w+)$/;

/** Objects by name: what each defines, and what it uses. Undefined where there is no nm(1). */
function symbolsOf(objects) {
  const [nm] = findCommand(["nm", "llvm-nm"]) ?? [];
  if (nm === undefined) return undefined;
  return objects.map((object) => {
    const { stdout } = spawnSync(nm, ["-P", object], { cwd: root, encoding: "utf8", maxBuffer: 1 << 26 });
    const rows = stdout.split("\n").map((row) => row.split(" "));
    const named = (kinds) => rows.filter(([, kind]) => kinds.test(kind)).map(([name]) => name);
    return { name: basename(object, ".o"), defines: named(/^[A-TV-Z]$/), uses: named(/^U$/) };
  });
}

/** Circles of files: the strongly connected components of more than one (Tarjan). */
function circles(graph) {
  const index = new Map();
  const low = new Map();
  const stack = [];
  const found = [];
  const visit = (name) => {
    index.set(name, index.size);
    low.set(name, index.get(name));
    stack.push(name);
    for (const next of graph.get(name)) {
      if (!index.has(next)) visit(next);
      if (stack.includes(next)) low.set(name, Math.min(low.get(name), low.get(next)));
    }
    if (low.get(name) !== index.get(name)) return;
    const members = stack.splice(stack.indexOf(name));
    if (members.length > 1) found.push(members.toSorted());
  };
  for (const name of graph.keys()) if (!index.has(name)) visit(name);
  return found;
}

/** Sentences about what is wrong; undefined where it can't be asked. */
export function faultsOfOrder(objects) {
  const files = symbolsOf(objects);
  if (files === undefined) return undefined;
  const owners = new Map(files.flatMap(({ name, defines }) => defines.map((symbol) => [symbol, name])));
  const graph = new Map(
    files.map(({ name, uses }) => [
      name,
      new Set(uses.map((symbol) => owners.get(symbol)).filter((owner) => owner !== undefined && owner !== name)),
    ]),
  );
  if (graph.size < 2 || [...graph.values()].every((uses) => uses.size === 0)) return ["no file uses another"];
  const turns = files.filter(({ defines }) => defines.some((symbol) => symbol.endsWith("_turn")));
  return [
    ...circles(graph).map((members) => `${members.join(", ")} call each other in a circle`),
    ...(turns.length === 0 ? ["no file has a turn"] : []),
    ...turns.flatMap(({ name, uses }) =>
      uses.filter((symbol) => forbiddenToTurns.test(symbol)).map((symbol) => `${name}, a mechanism, uses ${symbol}`),
    ),
  ];
}
