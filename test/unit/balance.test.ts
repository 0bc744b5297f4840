/** Which upstream a connection goes to. */
import * as fc from "fast-check";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { Balancer, policies } from "#cli/proxy/balance.js";
import { check } from "../support/property.ts";

const holdOff = { firstMs: 1000, mostMs: 4000 };

/** Makes a connection that holds. */
function connect(balancer: Balancer, nowMs = 0): number | undefined {
  const index = balancer.pick(nowMs);
  if (index !== undefined) balancer.connected(index);
  return index;
}

test("round-robin goes round", () => {
  const balancer = new Balancer("round-robin", 3, holdOff);
  assert.equal(
    [0, 0, 0, 0, 0, 0, 0].map(() => connect(balancer)),
    [0, 1, 2, 0, 1, 2, 0],
  );
});

test("least-connections takes the one with the fewest, in turn among equals", () => {
  const balancer = new Balancer("least-connections", 3, holdOff);
  assert.equal(
    [0, 0, 0].map(() => connect(balancer)),
    [0, 1, 2],
  );
  balancer.closed(1);
  assert.is(connect(balancer), 1);
  balancer.closed(2);
  balancer.closed(0);
  assert.equal([connect(balancer), connect(balancer)], [2, 0]);
});

test("a connection tries each upstream once", () => {
  for (const policy of policies) {
    const balancer = new Balancer(policy, 3, holdOff);
    const tried = new Set<number>();
    for (let index = balancer.pick(0, tried); index !== undefined; index = balancer.pick(0, tried)) {
      balancer.failed(index, 0);
      assert.not.ok(tried.has(index));
      tried.add(index);
    }
    assert.is(tried.size, 3);
  }
});

test("one that failed is left alone for a while, then tried by one connection, then used again", () => {
  const balancer = new Balancer("round-robin", 2, holdOff);
  assert.is(balancer.pick(0), 0);
  balancer.failed(0, 0);
  assert.equal([connect(balancer, 1), connect(balancer, 500), connect(balancer, 999)], [1, 1, 1]);
  const trial = balancer.pick(1000);
  assert.is(trial, 0);
  assert.equal([connect(balancer, 1001), connect(balancer, 1002)], [1, 1], "while it is on trial");
  balancer.connected(0);
  assert.equal([connect(balancer, 1003), connect(balancer, 1004)], [0, 1]);
});

test("it is left alone twice as long each time, up to the most", () => {
  const balancer = new Balancer("round-robin", 2, holdOff);
  let nowMs = 0;
  for (const forMs of [1000, 2000, 4000, 4000]) {
    const tried = new Set([1]);
    assert.is(balancer.pick(nowMs, tried), 0);
    balancer.failed(0, nowMs);
    for (let i = 0; i < 3; i++) assert.is(connect(balancer, nowMs + forMs - 1), 1);
    nowMs += forMs;
  }
});

test("where all have failed, they are tried nevertheless, that whose time is up soonest first", () => {
  const balancer = new Balancer("round-robin", 2, holdOff);
  for (const [index, atMs] of [
    [1, 0],
    [0, 10],
  ] as const) {
    assert.is(balancer.pick(atMs, new Set([1 - index])), index);
    balancer.failed(index, atMs);
  }
  assert.is(balancer.pick(20), 1);
  assert.is(balancer.pick(20, new Set([1])), 0);
});

test("one that was given up is no failure", () => {
  const balancer = new Balancer("round-robin", 1, holdOff);
  assert.is(balancer.pick(0), 0);
  balancer.abandoned(0);
  assert.is(balancer.active(0), 0);
  assert.is(connect(balancer, 0), 0);
});

test("there is no upstream that there isn't", () => {
  assert.throws(() => new Balancer("round-robin", 2, holdOff).closed(2), /no upstream 2 of 2/);
});

/** What happens to the oldest connection under way. */
const event = fc.record({
  what: fc.constantFrom("pick", "pick", "connected", "failed", "abandoned", "closed"),
  waitMs: fc.integer({ min: 0, max: 1500 }),
});

test("the counts are right, and nobody is sent to one that is held off while another one is well", () => {
  check(
    fc.property(
      fc.constantFrom(...policies),
      fc.integer({ min: 1, max: 5 }),
      fc.array(event, { maxLength: 60 }),
      (policy, count, events) => {
        const balancer = new Balancer(policy, count, holdOff);
        const pending: number[] = [];
        const open: number[] = [];
        /** By a model of its own: when the last failure was, of those that have not been well since. */
        const failedAt = new Map<number, number>();
        let nowMs = 0;
        for (const { what, waitMs } of events) {
          nowMs += waitMs;
          if (what === "pick") {
            const index = balancer.pick(nowMs);
            if (index === undefined) return assert.unreachable("none was picked");
            const well = Array.from({ length: count }, (_, i) => i).filter((i) => !failedAt.has(i));
            const isHeld = nowMs - (failedAt.get(index) ?? -Infinity) < holdOff.firstMs;
            assert.not.ok(isHeld && well.length > 0, `${index} is held off`);
            const fewest = Math.min(...well.map((i) => [...pending, ...open].filter((each) => each === i).length));
            const its = [...pending, ...open].filter((each) => each === index).length;
            if (policy === "least-connections" && !failedAt.has(index)) assert.ok(its <= fewest);
            pending.push(index);
          } else if (what === "closed") {
            const index = open.shift();
            if (index !== undefined) balancer.closed(index);
          } else {
            const index = pending.shift();
            if (index === undefined) continue;
            balancer[what](index, nowMs);
            if (what === "connected") open.push(index);
            if (what === "connected") failedAt.delete(index);
            if (what === "failed") failedAt.set(index, nowMs);
          }
          for (let i = 0; i < count; i++)
            assert.is(balancer.active(i), [...pending, ...open].filter((each) => each === i).length);
        }
      },
    ),
    2000,
  );
});

test.run();
