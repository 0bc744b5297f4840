/** A standalone app of Next.js, by the settings of docs/deployment.md: its output alone has the engine. */
import { cpSync, mkdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import process from "node:process";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { fetchNode } from "../support/programs.ts";
import { freePort } from "../support/ports.ts";
import { tempFolder } from "../support/temp.ts";
import { waitFor } from "../support/wait.ts";
import { fetchTools, runIn } from "./bundlers.ts";
import { buildForArm64, install, pack } from "./package.ts";

const test = suite("next");

const files = {
  "package.json": JSON.stringify({ private: true }),
  // The settings of the page; the last one says that the folder is a project of its own, not part of one around it.
  "next.config.mjs": `
export default {
  output: "standalone",
  serverExternalPackages: ["sluice"],
  outputFileTracingIncludes: { "/*": ["node_modules/@koromix/koffi-linux-*/**"] },
  outputFileTracingRoot: import.meta.dirname,
};`,
  "app/layout.js": `export default ({ children }) => <html lang="en"><body>{children}</body></html>;\n`,
  "app/page.js": "export default () => <p>here</p>;\n",
  "app/copy/route.js": `
import { capabilities, transfer } from "sluice";
export const dynamic = "force-dynamic";
export async function GET(request) {
  const asked = new URL(request.url).searchParams;
  const { bytes, strategy } = await transfer(asked.get("from"), asked.get("into"));
  return Response.json({ engine: capabilities().engine, bytes, strategy });
}`,
};

interface Told {
  readonly engine: { readonly available: boolean; readonly reason: string };
  readonly strategy: string;
  readonly bytes: number;
}

/** Starts what has been deployed, and answers what its route tells. */
async function ask(node: string, folder: string): Promise<Told> {
  const source = join(tempFolder(), "source");
  writeFileSync(source, "x".repeat(1000));
  const port = await freePort();
  const env = { ...process.env, HOSTNAME: "127.0.0.1", PORT: String(port), NODE_ENV: "production" };
  const server = spawn(node, ["server.js"], { cwd: folder, env, stdio: ["ignore", "pipe", "pipe"] });
  const gone = once(server, "exit");
  let output = "";
  for (const stream of [server.stdout, server.stderr])
    stream.on("data", (chunk: Buffer) => (output += chunk.toString()));
  try {
    await waitFor("the server", () => /Ready/.test(output) || server.exitCode !== null);
    assert.is(server.exitCode, null, output);
    const asked = new URLSearchParams({ from: source, into: `${source}.copy` });
    const answer = await fetch(`http://127.0.0.1:${port}/copy?${asked}`);
    const text = await answer.text();
    assert.is(answer.status, 200, text + output);
    return JSON.parse(text) as Told;
  } finally {
    server.kill();
    await gone;
  }
}

const tools = await fetchTools("next");
const name = "Next.js, standalone, by Turbopack: the engine is there";
if ("reason" in tools) {
  console.log(`skip ${name}: ${tools.reason}`);
  test.skip(name);
} else
  test(name, async () => {
    await buildForArm64();
    const project = await install((await pack()).path);
    // Turbopack follows no link out of the project.
    cpSync(join(tools.folder, "node_modules"), join(project, "node_modules"), { recursive: true });
    for (const [path, text] of Object.entries(files)) {
      mkdirSync(dirname(join(project, path)), { recursive: true });
      writeFileSync(join(project, path), text);
    }
    const node = await fetchNode(24);
    const program = join(project, "node_modules/next/dist/bin/next");
    const built = await runIn(project, [node, program, "build"], { NEXT_TELEMETRY_DISABLED: "1" });
    assert.is(built.code, 0, built.output);
    const folder = tempFolder();
    cpSync(join(project, ".next/standalone"), folder, { recursive: true });
    const { engine, strategy, bytes } = await ask(node, folder);
    assert.ok(engine.available, engine.reason);
    assert.is.not(strategy, "portable");
    assert.is(bytes, 1000);
  });

test.run();
