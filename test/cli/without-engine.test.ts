/** The command line without the engine: why is told once, where it is looked for. */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { tempFolder } from "../support/temp.ts";
import { cli, parseJson } from "./cli.ts";
import { endServices, runtimes, startService } from "./services.ts";

const test = suite("command line without the engine");

test.after(endServices);

const cause = "switched off by SLUICE_DISABLE=1";
const without = ["env", "SLUICE_DISABLE=1"];
const count = (output: string): number => output.split(cause).length - 1;

for (const runtime of runtimes)
  for (const [args, begin] of [
    [["serve", tempFolder(), "--port", "0"], "Serving .* on http\\S+/"],
    [["serve", tempFolder(), "--port", "0", "--workers", "2"], "Serving .* on http\\S+/"],
    [["proxy", "127.0.0.1:0", "127.0.0.1:9"], "Proxying \\S+ to 127.0.0.1:9"],
  ] as const)
    test(`${args.filter((arg) => !arg.startsWith("/")).join(" ")} tells it in the line that it starts with (${runtime.name})`, async () => {
      const place = new RegExp(`^${begin} without the engine: ${cause}\n`, "m");
      const { service } = await startService(runtime, args, place, without);
      service.child.kill("SIGTERM");
      await service.ended;
      assert.is(count(service.stderr()), 1, service.stderr());
    });

test("serve with the engine doesn't speak of it", async () => {
  const [runtime] = runtimes;
  assert.ok(runtime);
  await startService(runtime, ["serve", tempFolder(), "--port", "0"], /^Serving \S+ on http:\S+\/\n/m);
});

test("doctor tells it once", async () => {
  const env = { SLUICE_DISABLE: "1" };
  const text = await cli(["doctor", "/dev/shm"], { env });
  assert.is(text.code, 0);
  assert.is(count(text.stdout.toString()), 1, text.stdout.toString());
  assert.match(text.stdout.toString(), `not loaded: ${cause}`);
  assert.match(text.stdout.toString(), /sendfile +no +there is no engine/);
});

test("doctor --json tells it once, in the shape that it has with the engine", async () => {
  const shape = (value: unknown): unknown =>
    typeof value !== "object" || value === null || Array.isArray(value)
      ? undefined
      : Object.fromEntries(Object.entries(value).map(([name, each]) => [name, shape(each)]));
  const off = await cli(["doctor", "--json", "/dev/shm"], { env: { SLUICE_DISABLE: "1" } });
  const on = await cli(["doctor", "--json", "/dev/shm"]);
  assert.is(count(off.stdout.toString()), 1, off.stdout.toString());
  assert.equal(shape(parseJson(off)), shape(parseJson(on)));
  assert.equal(parseJson(off)["engine"], { ability: "no", reason: cause, available: false });
});

test.run();
