/** Whatever a stream gives as its reason for going through JavaScript has a remedy. */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { remedyFor } from "#cli/doctor/remedies.js";
import { root } from "../support/root.ts";

/** How every reason begins, in a string or a template; what is filled in stands for itself. */
const reasonPattern =
  /["`]((?:the (?:response|request|message|stream|socket|file|target|source|descriptor|connection|peer|body|\$\{kind\})|node:http's |too little|this response|source and target|somebody|there is nothing|it was piped|nothing is handed|switched off|what a hand-over|strictContentLength|TLS )[^"`]*)["`]/g;

/** Texts that are not about the app's stream. */
const others = [/^the (stream|target|body) (of|in) /, /^the socket's error/];

function reasonsOf(path: string): string[] {
  const lines = readFileSync(path, "utf8").split("\n");
  const code = lines.filter((line) => !/^\s*(\/?\*|\/\/)/.test(line)).join("\n");
  return [...code.matchAll(reasonPattern)].map(([, reason = ""]) =>
    reason.replace("${kind}", "request").replace(/\$\{[^}]*\}/g, "write"),
  );
}

function sourcesIn(folder: string): string[] {
  const names = readdirSync(join(root, folder), { recursive: true, encoding: "utf8" });
  return names.filter((name) => name.endsWith(".ts")).map((name) => join(root, folder, name));
}

const sources = [...sourcesIn("lib/streams"), join(root, "lib/ends/socket-handle.ts")];
const reasons = sources
  .filter((path) => !path.endsWith("trials/trials.ts"))
  .flatMap(reasonsOf)
  .filter((reason) => !others.some((pattern) => pattern.test(reason)));

test("every reason in the sources of the streams has a remedy", () => {
  assert.ok(reasons.length >= 40, `only ${reasons.length} reasons were found`);
  const without = reasons.filter((reason) => remedyFor(reason) === undefined);
  assert.equal(without, []);
});

test("every reason in the documents has a remedy", () => {
  const [, table = ""] =
    /\n\| reason .*?\n\| -.*?\n([\s\S]*?)\n\n/.exec(readFileSync(join(root, "docs/streams.md"), "utf8")) ?? [];
  const rows = table.split("\n").map((line) => line.split("|")[1]?.trim() ?? "");
  assert.ok(rows.length >= 20, table);
  for (const row of rows) {
    // The last row is the engine's own reason, which is the loader's.
    if (row === "…") continue;
    const plain = row.replace(/ \([^)]*\)/g, "").replaceAll("…", "write");
    for (const reason of plain.split(/, (?!socket or file|a socket or)/))
      assert.type(remedyFor(reason.replace(/^its /, "the message's ")), "string", reason);
  }
});

test("a reason of the kernel's has none", () => {
  assert.is(remedyFor("the kernel answered EIO"), undefined);
});

test.run();
