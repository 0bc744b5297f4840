/** Who is too slow in a tee(). */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { holdsUp, laggards, stillBehind } from "#core/tee.js";

test("a target is a laggard from `lag` bytes behind the fastest on, and never when it is out of the race", () => {
  assert.equal(laggards([100, 90, 0], 100), [2]);
  assert.equal(laggards([100, 90, 1], 100), []);
  assert.equal(laggards([100, undefined, 0], 50), [2]);
  assert.equal(laggards([undefined, undefined], 1), []);
  assert.equal(laggards([0, 0], 1), []);
});

test("a full pipe holds the others up where the fastest has all that it could be given", () => {
  assert.is(holdsUp([64, 10], { index: 1, given: 64 }), 1);
  assert.is(holdsUp([70, 10, 64], { index: 1, given: 64 }), 1);
  assert.is(holdsUp([63, 10], { index: 1, given: 64 }), undefined, "the fastest has something to do still");
  assert.is(holdsUp([64, 64], { index: 1, given: 64 }), undefined, "it has taken as much as any");
  assert.is(holdsUp([64, undefined], { index: 1, given: 64 }), undefined, "it is out already");
  assert.is(holdsUp([64, 10], undefined), undefined, "the source is waited for");
});

test("who is behind at one look alone is not dropped", () => {
  assert.equal(stillBehind([], [0, 2]), []);
  assert.equal(stillBehind([2], [0, 2]), [2]);
  assert.equal(stillBehind([0, 1], [2]), []);
});

test.run();
