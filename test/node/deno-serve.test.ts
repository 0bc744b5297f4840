/** `file()` under Deno.serve, which warns of what a handler does with the signal of its request. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { runChild } from "../support/child.ts";
import { installedProgram } from "../support/programs.ts";
import { root } from "../support/root.ts";
import { tempFolder } from "../support/temp.ts";

const program = (folder: string) => `
import { file } from "${join(root, "adapters/deno/fetch.ts")}";
const options = { hostname: "127.0.0.1", port: 0, onListen() {} };
const server = Deno.serve(options, (request) => file(request, new URL(request.url).pathname, { root: "${folder}" }));
for (const name of ["small"]) {
  const answer = await fetch(\`http://127.0.0.1:\${server.addr.port}/\${name}\`);
  console.log(answer.status, (await answer.bytes()).length);
}
await server.shutdown();
`;

test("file() of a small file under Deno.serve brings no warning", async () => {
  const deno = await installedProgram("@deno", "deno", "deno/deno");
  const folder = tempFolder();
  writeFileSync(join(folder, "small"), Buffer.alloc(1000));
  const path = join(tempFolder(), "server.mjs");
  writeFileSync(path, program(folder));
  const run = ["env", "NO_COLOR=1", deno, "run", "--quiet", "--allow-all", "--config", join(root, "deno.json"), path];
  const { code, output } = await runChild(run as [string, ...string[]], 60_000);
  assert.is(code, 0, output);
  assert.is(output, "200 1000\n");
});

test.run();
