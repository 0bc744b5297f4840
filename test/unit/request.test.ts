/** Options are checked before any byte moves: CASES.md row 10, and its like for the rest. */
import * as fc from "fast-check";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { TransferError } from "#core/error.js";
import { cacheModes, checkOptions, type TransferOptions } from "#core/transfer/request.js";
import { strategyNames } from "#core/plan/strategies.js";
import { check } from "../support/property.ts";

const max = Number.MAX_SAFE_INTEGER;
const counts = ["offset", "length", "targetOffset"] as const;

/** Asserts that these options, which TypeScript may not allow, are refused with this class and code. */
function refuses(options: unknown, type: new (...args: never) => Error, code: string): void {
  try {
    checkOptions(options as TransferOptions);
  } catch (error) {
    assert.instance(error, type);
    return assert.is((error as { code?: unknown }).code, code);
  }
  assert.unreachable("the options were accepted");
}

const wrongTypes = ["1", "", null, true, {}, [], [1], Symbol("1"), () => 1, new Date(0)];
const outOfRange = [-1, -0.5, 0.5, Number.NaN, -Infinity, max + 1, 2 ** 64, -1n, BigInt(max) + 1n, 2n ** 63n];

for (const name of counts) {
  test(`checkOptions() refuses a ${name} that is not a number, with a TypeError`, () => {
    for (const value of wrongTypes) refuses({ [name]: value }, TypeError, "ERR_INVALID_ARG_TYPE");
  });

  test(`checkOptions() refuses a ${name} that is no whole number from 0 to 2^53 - 1, with a RangeError`, () => {
    for (const value of outOfRange) refuses({ [name]: value }, RangeError, "ERR_OUT_OF_RANGE");
  });

  test(`checkOptions() takes every safe ${name}, as a number or a bigint`, () => {
    check(
      fc.property(fc.oneof(fc.nat(), fc.maxSafeNat(), fc.constantFrom(0, max)), (value) => {
        assert.is(checkOptions({ [name]: value })[name], value);
        assert.is(checkOptions({ [name]: BigInt(value) })[name], value);
      }),
    );
  });
}

test("checkOptions() takes an infinite length for no length, and no infinite offset", () => {
  assert.is(checkOptions({ length: Infinity }).length, undefined);
  refuses({ offset: Infinity }, RangeError, "ERR_OUT_OF_RANGE");
  refuses({ targetOffset: Infinity }, RangeError, "ERR_OUT_OF_RANGE");
});

test("checkOptions() has its defaults for nothing, for {} and for undefined values", () => {
  const defaults = {
    offset: 0,
    length: undefined,
    targetOffset: undefined,
    strategy: "auto",
    fallback: true,
    cache: "normal",
    consistency: "live",
    onLeaseBreak: "finish",
    leaseHoldMs: 0,
    atomic: false,
    durable: false,
  };
  assert.equal(checkOptions(), defaults);
  assert.equal(checkOptions({}), defaults);
  const nothing = {
    offset: undefined,
    length: undefined,
    targetOffset: undefined,
    strategy: undefined,
    signal: undefined,
  };
  assert.equal(checkOptions({ ...nothing, fallback: undefined, cache: undefined, onProgress: undefined }), defaults);
});

test("checkOptions() refuses options that are not an object", () => {
  for (const options of [null, 1, "offset", true]) refuses(options, TypeError, "ERR_INVALID_ARG_TYPE");
});

test("checkOptions() takes each strategy by name and in lists", () => {
  for (const strategy of strategyNames) assert.equal(checkOptions({ strategy }).strategy, [strategy]);
  assert.equal(checkOptions({ strategy: ["splice", "buffered"] }).strategy, ["splice", "buffered"]);
  assert.is(checkOptions({ strategy: "auto" }).strategy, "auto");
});

test("checkOptions() refuses strategies that do not exist", () => {
  for (const strategy of ["", "Sendfile", "toString", "__proto__", [], ["auto"], ["sendfile", "teleport"], 1, null])
    refuses({ strategy }, TypeError, "ERR_INVALID_ARG_VALUE");
});

test("checkOptions() refuses what a later version may have, rather than to ignore it", () => {
  refuses({ consistency: "eventual" }, TransferError, "ERR_SLUICE_UNSUPPORTED");
  refuses({ cache: "writethrough" }, TransferError, "ERR_SLUICE_UNSUPPORTED");
  refuses({ onLeaseBreak: "hope" }, TransferError, "ERR_SLUICE_UNSUPPORTED");
  assert.ok(checkOptions({ consistency: "live", cache: "normal" }));
});

test("checkOptions() refuses a signal that is none, and a progress callback that is no function", () => {
  for (const signal of [null, 1, "abort", {}]) refuses({ signal }, TypeError, "ERR_INVALID_ARG_TYPE");
  for (const onProgress of [null, 1, "progress", {}]) refuses({ onProgress }, TypeError, "ERR_INVALID_ARG_TYPE");
  assert.ok(checkOptions({ signal: new AbortController().signal, onProgress: () => undefined }));
});

test("checkOptions() takes the modes of the page cache, and no other mechanism beside direct", () => {
  for (const cache of cacheModes) assert.is(checkOptions({ cache }).cache, cache);
  assert.equal(checkOptions({ cache: "direct", strategy: "direct" }).strategy, ["direct"]);
  assert.equal(checkOptions({ cache: "dontcache", strategy: "sendfile" }).strategy, ["sendfile"]);
  refuses({ cache: "direct", strategy: "sendfile" }, TypeError, "ERR_INVALID_ARG_VALUE");
  refuses({ cache: "direct", strategy: ["direct", "buffered"] }, TypeError, "ERR_INVALID_ARG_VALUE");
});

test("checkOptions() refuses a fallback that is no boolean", () => {
  for (const fallback of [null, 0, "false"]) refuses({ fallback }, TypeError, "ERR_INVALID_ARG_TYPE");
});

test.run();
