/** What is remembered of the machine and of pairs of filesystems, and what never is. */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { type Ability, Capabilities } from "#core/plan/capabilities.js";
import { asNew, type Endpoint } from "#core/plan/endpoint.js";
import { end, file } from "../support/ends.ts";

const on = (device: bigint): Endpoint => file(1, { identity: { device, inode: 1n } });
const here = on(1n);
const there = on(2n);
const elsewhere = on(3n);

/** After an errno: what is known of this pair, of another pair, and of the machine. */
const lessons: readonly (readonly [code: string, pair: Ability, other: Ability, machine: Ability])[] = [
  ["ENOSYS", "no", "unknown", "unknown"],
  ["EOPNOTSUPP", "no", "unknown", "unknown"],
  ["EXDEV", "no", "unknown", "unknown"],
  ["EINVAL", "unknown", "unknown", "unknown"],
  ["EPERM", "unknown", "unknown", "unknown"],
  ["EBADF", "unknown", "unknown", "unknown"],
  ["EIO", "unknown", "unknown", "unknown"],
  ["EOVERFLOW", "unknown", "unknown", "unknown"],
  ["ETXTBSY", "unknown", "unknown", "unknown"],
  ["ENOMEM", "unknown", "unknown", "unknown"],
];

for (const [code, pair, other, machine] of lessons)
  test(`learn() of ${code} makes the pair "${pair}", another pair "${other}", the machine "${machine}"`, () => {
    const known = new Capabilities();
    known.learn("copyFileRange", here, there, code);
    assert.is(known.between("copyFileRange", here, there).ability, pair);
    assert.is(known.between("copyFileRange", here, elsewhere).ability, other);
    assert.is(known.between("copyFileRange", there, here).ability, other);
    assert.is(known.of("copyFileRange").ability, machine);
    assert.is(known.of("sendfile").ability, "unknown");
    if (pair === "no") assert.match(known.between("copyFileRange", here, there).reason, code);
  });

const files = (mount: number, source: bigint, target: bigint): readonly [Endpoint, Endpoint] => {
  const identity = { device: 1n, mount };
  return [file(1, { identity: { ...identity, inode: source } }), file(1, { identity: { ...identity, inode: target } })];
};

test("learn() takes one pair of files for odd, and a second one for their mounts", () => {
  const known = new Capabilities();
  const asked = (pair: readonly [Endpoint, Endpoint]) => known.between("copyFileRange", ...pair).ability;
  known.learn("copyFileRange", ...files(1, 1n, 2n), "ENOSYS");
  known.learn("copyFileRange", ...files(1, 1n, 2n), "ENOSYS");
  // It is the source that they have in common.
  known.learn("copyFileRange", ...files(1, 1n, 5n), "ENOSYS");
  assert.equal([asked(files(1, 1n, 6n)), asked(files(1, 3n, 5n))], ["no", "unknown"]);
  known.learn("copyFileRange", ...files(1, 3n, 4n), "EOPNOTSUPP");
  assert.equal([asked(files(1, 1n, 2n)), asked(files(1, 5n, 6n))], ["no", "no"]);
  // What one of them can do, they are not all without.
  known.learn("copyFileRange", ...files(1, 7n, 8n), undefined);
  assert.equal([asked(files(1, 1n, 2n)), asked(files(1, 5n, 6n))], ["yes", "yes"]);
});

test("learn() never takes a new file for odd", () => {
  const known = new Capabilities();
  const asked = (pair: readonly [Endpoint, Endpoint]) => known.between("reflink", ...pair).ability;
  const made = (source: bigint): readonly [Endpoint, Endpoint] => {
    const [from, to] = files(1, source, 1n);
    return [from, asNew(to)];
  };
  known.learn("reflink", ...made(1n), "EOPNOTSUPP");
  assert.equal([asked(made(1n)), asked(files(1, 1n, 9n)), asked(made(2n))], ["no", "no", "unknown"]);
  known.learn("reflink", ...made(2n), "EOPNOTSUPP");
  assert.equal([asked(made(3n)), asked(files(1, 8n, 9n))], ["no", "no"]);
});

test("learn() takes EXDEV within one mount for a matter of what lies beneath", () => {
  const known = new Capabilities();
  for (const inode of [1n, 2n, 3n]) known.learn("reflink", ...files(1, inode, inode + 5n), "EXDEV");
  assert.is(known.between("reflink", ...files(1, 1n, 6n)).ability, "unknown");
});

test("learn() of a mount says nothing of the next one on the same device", () => {
  const known = new Capabilities();
  for (const inode of [1n, 2n]) known.learn("reflink", ...files(1, inode, inode), "EOPNOTSUPP");
  assert.is(known.between("reflink", ...files(1, 3n, 3n)).ability, "no");
  assert.is(known.between("reflink", ...files(2, 3n, 3n)).ability, "unknown");
  const [source, target] = files(1, 3n, 3n);
  assert.is(known.between("reflink", { ...source, filesystem: 7 }, target).ability, "unknown");
});

test("between() believes a refusal for a while, and asks again", () => {
  let now = 1000;
  const known = new Capabilities(() => now);
  const asked = (inode: bigint) => known.between("reflink", ...files(1, inode, inode)).ability;
  known.learn("reflink", ...files(1, 1n, 1n), "EOPNOTSUPP");
  known.learn("reflink", ...files(1, 2n, 2n), "EOPNOTSUPP");
  now += 299_999;
  assert.equal([asked(1n), asked(3n)], ["no", "no"]);
  now += 1;
  assert.equal([asked(1n), asked(3n)], ["unknown", "unknown"]);
  known.learn("reflink", ...files(1, 3n, 3n), "EOPNOTSUPP");
  assert.equal([asked(1n), asked(4n)], ["no", "no"], "asked once more, not twice");
});

test("of() is unknown, with a reason, before anything was learnt", () => {
  assert.equal(new Capabilities().of("splice"), { ability: "unknown", reason: "not probed yet" });
});

test("learn() of moved bytes makes unknown a yes", () => {
  const known = new Capabilities();
  known.learn("splice", here, end("socket"), undefined);
  assert.is(known.of("splice").ability, "yes");
});

test("learn() of moved bytes does not unsay a no of the machine", () => {
  const known = new Capabilities();
  known.declare("splice", "no", "blocked by seccomp");
  known.learn("splice", here, end("socket"), undefined);
  assert.equal(known.of("splice"), { ability: "no", reason: "blocked by seccomp" });
});

test("learn() remembers no pair whose files have no identity", () => {
  const known = new Capabilities();
  known.learn("copyFileRange", end("file"), there, "EXDEV");
  assert.is(known.between("copyFileRange", end("file"), there).ability, "unknown");
});

test("learn() says nothing about the portable path", () => {
  const known = new Capabilities();
  known.learn("portable", here, there, "ENOSYS");
  known.learn("portable", here, there, undefined);
  assert.is(known.of("portable").ability, "unknown");
});

test("between() puts the pair's no before the machine's yes", () => {
  const known = new Capabilities();
  known.declare("reflink", "yes", "probed");
  known.learn("reflink", here, there, "EXDEV");
  assert.is(known.between("reflink", here, there).ability, "no");
  assert.is(known.between("reflink", here, here).ability, "yes");
});

test("between() puts the machine's no before everything", () => {
  const known = new Capabilities();
  known.learn("reflink", here, there, "EXDEV");
  known.declare("reflink", "no", "no engine");
  assert.is(known.between("reflink", here, there).reason, "no engine");
});

test("learn() of thousands of pairs keeps the last one", () => {
  const known = new Capabilities();
  for (let device = 1n; device <= 2000n; device++) known.learn("reflink", on(device), on(device), "EOPNOTSUPP");
  assert.is(known.between("reflink", on(2000n), on(2000n)).ability, "no");
});

test.run();
