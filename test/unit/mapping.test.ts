/** Ranges of mapped files, and what a truncation means. */
import * as fc from "fast-check";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { limits } from "#core/abi/abi.js";
import {
  checkMapOptions,
  checkWindow,
  lostIn,
  type MapOptions,
  placeMapping,
  rangeOf,
  truncatedError,
  windowLimit,
} from "#core/mapping.js";
import { check } from "../support/property.ts";

function codeOf(call: () => unknown): unknown {
  try {
    call();
  } catch (error) {
    return error instanceof Error && "code" in error ? error.code : error;
  }
  return undefined;
}

test("checkMapOptions() fills in what is not given", () => {
  assert.equal(checkMapOptions(), { mode: "read", offset: 0, length: undefined, policy: "guard" });
  assert.equal(checkMapOptions({ length: Infinity, offset: 5n, mode: "shared" }), {
    mode: "shared",
    offset: 5,
    length: undefined,
    policy: "guard",
  });
});

test("checkMapOptions() refuses what it does not know and what excludes each other", () => {
  const code = (options: object) => codeOf(() => checkMapOptions(options as MapOptions));
  assert.is(code({ mode: "rw" }), "ERR_INVALID_ARG_VALUE");
  assert.is(code({ policy: "" }), "ERR_INVALID_ARG_VALUE");
  assert.is(code({ offset: 1.5 }), "ERR_OUT_OF_RANGE");
  assert.is(code({ length: -1 }), "ERR_OUT_OF_RANGE");
  assert.is(code({ length: null }), "ERR_INVALID_ARG_TYPE");
  assert.is(code([]), "ERR_INVALID_ARG_TYPE");
  for (const policy of ["copy", "lease"]) assert.is(code({ mode: "shared", policy }), "ERR_SLUICE_UNSUPPORTED");
});

const sizes = fc.integer({ min: 0, max: 2 ** 45 });

test("placeMapping() starts on a page, not more than a page before the view, and stays inside the file", () => {
  check(
    fc.property(sizes, sizes, sizes, (size, from, count) => {
      const offset = from % (size + 1);
      const length = count % (size - offset + 1);
      const placed = placeMapping(checkMapOptions({ offset, length }), size);
      assert.is(placed.offset % limits.map_alignment, 0);
      assert.is(placed.offset + placed.lead, offset);
      assert.ok(placed.lead >= 0 && placed.lead < limits.map_alignment);
      assert.is(placed.length, length);
      assert.is(placeMapping(checkMapOptions({ offset }), size).length, size - offset);
    }),
  );
});

test("placeMapping() refuses what the file does not have", () => {
  const place = (offset: number, length?: number) => () => placeMapping(checkMapOptions({ offset, length }), 100);
  for (const call of [place(101), place(0, 101), place(100, 1), place(99, 2)])
    assert.is(codeOf(call), "ERR_OUT_OF_RANGE");
  assert.is(place(100)().length, 0);
});

test("rangeOf() is inside the mapping or refused", () => {
  assert.equal(rangeOf(undefined, undefined, 10), { start: 0, end: 10 });
  assert.equal(rangeOf(10n, undefined, 10), { start: 10, end: 10 });
  assert.equal(rangeOf(3, 7, 10), { start: 3, end: 10 });
  assert.equal(rangeOf(2 ** 40, 5, 2 ** 41), { start: 2 ** 40, end: 2 ** 40 + 5 });
  for (const [offset, length] of [
    [11, undefined],
    [11, 0],
    [0, 11],
    [10, 1],
    [-1, 1],
  ] as const)
    assert.is(
      codeOf(() => rangeOf(offset, length, 10)),
      "ERR_OUT_OF_RANGE",
    );
});

test("a view shows at most 4 GiB", () => {
  checkWindow(windowLimit);
  assert.is(
    codeOf(() => checkWindow(windowLimit + 1)),
    "ERR_OUT_OF_RANGE",
  );
});

test("lostIn() tells where the view of a shorter file stops to be its", () => {
  const placed = placeMapping(checkMapOptions({ offset: 70_000, length: 1000 }), 100_000);
  const lost = (offset: number | undefined) => lostIn(placed, offset);
  assert.is(lost(undefined), undefined);
  assert.is(lost(71_000), undefined);
  assert.is(lost(70_999), 999);
  assert.is(lost(70_000), 0);
  assert.is(lost(65_600), 0);
  assert.is(lost(0), 0);
});

test("the error of lost bytes names the offset in the file", () => {
  const error = truncatedError("data", 10, 100);
  assert.is(error.code, "ERR_SLUICE_TRUNCATED");
  assert.is(error.sourceOffset, 110);
  assert.match(error.message, "110");
});

test.run();
