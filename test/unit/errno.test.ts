import { constants } from "node:os";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { errnoName, errnoNumber, errnoText } from "#core/abi/errno.js";
import { strategies } from "#core/plan/strategies.js";

const platform: Readonly<Record<string, number>> = constants.errno;

/** Every number for which the table has a name. */
const known = Array.from({ length: 200 }, (_, errno) => errno).filter((errno) => errnoName(errno) !== `E${errno}`);

test("errnoName() agrees with the platform for every number it knows", () => {
  assert.ok(known.length > 40, `only ${known.length} names`);
  for (const errno of known) {
    const name = errnoName(errno);
    // Linux-only names are not all among node:os constants; those that are have the same number.
    if (name in platform) assert.is(platform[name], errno, name);
  }
});

test("errnoName() knows what the platform's transfers can fail with", () => {
  const needed = ["EPIPE", "ECONNRESET", "ENOSPC", "EFBIG", "EISDIR", "EBADF", "ESPIPE", "ENOTCONN", "EDQUOT", "EROFS"];
  for (const name of needed) assert.is(errnoName(platform[name] ?? 0), name);
});

test("errnoNumber() undoes errnoName()", () => {
  for (const errno of known) assert.is(errnoNumber(errnoName(errno)), errno);
});

test("errnoName() makes a name for a number it does not know", () => {
  assert.is(errnoName(4095), "E4095");
});

test("errnoNumber() answers 0 for names that are not errnos", () => {
  for (const name of ["ABORT_ERR", "ERR_SLUICE_TRUNCATED", "toString", "constructor", ""])
    assert.is(errnoNumber(name), 0, name);
});

test("errnoText() says something for every name", () => {
  for (const errno of known) assert.match(errnoText(errnoName(errno)), /^[a-z]/);
  assert.is(errnoText("E4095"), "unknown error");
});

test("every refusal in the strategies table is an errno that has a number", () => {
  for (const [strategy, { refusals }] of Object.entries(strategies))
    for (const name of refusals) assert.ok(errnoNumber(name) > 0, `${strategy}: ${name}`);
});

test.run();
