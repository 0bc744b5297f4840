/** Agents that measure replace functions of Node's: where that can be seen, they see every byte. */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { sha256 } from "../support/data.ts";
import { App } from "./support/app.ts";
import { hasEngine, preload } from "./support/compare.ts";
import { makeContent } from "./support/content.ts";
import { visit } from "./support/visit.ts";

const content = makeContent();

interface Patch {
  /** The module that has the function, and where. */
  readonly module: string;
  readonly place: string;
  readonly reason: RegExp;
  /** Whether it is seen also where it came before the preload: on a class that else inherits the function. */
  readonly isSeenBefore?: true;
}

const patches: readonly Patch[] = [
  { module: "net", place: "Socket.prototype.write", reason: /socket's write/, isSeenBefore: true },
  { module: "net", place: "Socket.prototype._write", reason: /socket's write/ },
  { module: "net", place: "Socket.prototype._writev", reason: /socket's write/ },
  { module: "http", place: "ServerResponse.prototype.write", reason: /response's write/, isSeenBefore: true },
  { module: "http", place: "OutgoingMessage.prototype.write", reason: /response's write/ },
  { module: "http", place: "OutgoingMessage.prototype._send", reason: /response's write/ },
  { module: "stream", place: "Readable.prototype.push", reason: /stream's push/ },
  { module: "stream", place: "Readable.prototype.read", reason: /stream's read/ },
  { module: "fs", place: "ReadStream.prototype.push", reason: /stream's push/, isSeenBefore: true },
  { module: "fs", place: "ReadStream.prototype.emit", reason: /stream's emit/, isSeenBefore: true },
  { module: "events", place: "EventEmitter.prototype.emit", reason: /stream's emit/ },
  { module: "fs", place: "read", reason: /other functions than those of node:fs/ },
];

/** What loads a module that puts another function in the place of one, which does the same. */
function agent({ module, place }: Patch): readonly string[] {
  const steps = place.split(".");
  const name = steps.pop() ?? "";
  const owner = ["patched", ...steps].join(".");
  const code = `import patched from "node:${module}"; const { ${name}: original } = ${owner};
${owner}.${name} = function (...args) { return Reflect.apply(original, this, args); };`;
  return ["--import", `data:text/javascript,${encodeURIComponent(code)}`];
}

/** The reasons of three bodies, which come whole. */
async function reasonsWith(execArgv: readonly string[]): Promise<readonly string[]> {
  await using app = await App.start({ script: "plain", args: [content.folder], execArgv });
  for (const [route, size] of [
    ["pipe", "1k"],
    ["pipe", "16m"],
    ["chunked", "300k"],
  ] as const) {
    const { answer } = await visit(app, `${route} ${size}`, { path: `/${route}/${size}.bin` });
    assert.is(answer.sha256, sha256(content.bytes[size]));
  }
  return (await app.published()).map(({ native, reason }) => (native ? `native: ${reason}` : reason));
}

const test = suite("functions that were replaced");

for (const patch of patches) {
  const orders = { after: [...preload, ...agent(patch)], before: [...agent(patch), ...preload] };
  for (const [order, execArgv] of Object.entries(orders)) {
    if (!hasEngine || (order === "before" && patch.isSeenBefore !== true)) continue;
    test(`${patch.module}.${patch.place}, replaced ${order} the preload, sees the bytes`, async () => {
      const reasons = await reasonsWith(execArgv);
      assert.is(reasons.length, 3);
      for (const reason of reasons) assert.match(reason, patch.reason);
    });
  }
}

test("node:domain, which has an emit of its own, is in nobody's way", async () => {
  if (!hasEngine) return;
  const reasons = await reasonsWith([...preload, "--import", 'data:text/javascript,import "node:domain";']);
  assert.is(reasons.length, 3);
  for (const reason of reasons) assert.match(reason, /^native: /);
});

test.run();
