/** IP addresses as bytes and as text. */
import { isIP } from "node:net";
import * as fc from "fast-check";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { formatIp, isWithin, mapped, parseIp, parsePrefix, unmapped } from "#cli/proxy/ip.js";
import { check } from "../support/property.ts";

const bytes = (length: number) => fc.array(fc.integer({ min: 0, max: 255 }), { minLength: length, maxLength: length });
/** Many zeros, so that "::" stands in all places. */
const ipv6 = fc.array(fc.oneof(fc.constant(0), fc.constant(0), fc.integer({ min: 0, max: 255 })), {
  minLength: 16,
  maxLength: 16,
});

test("what formatIp() writes is what the platform writes, and parseIp() reads it", () => {
  check(
    fc.property(fc.oneof(bytes(4), ipv6), (address) => {
      const text = formatIp(address);
      assert.is(isIP(text), address.length === 4 ? 4 : 6);
      assert.equal(parseIp(text), address);
      const { hostname } = new URL(`http://${address.length === 4 ? text : `[${text}]`}/`);
      assert.is(hostname.replace(/[[\]]/g, ""), text);
    }),
  );
});

test("parseIp() takes what the platform takes, and nothing else", () => {
  const piece = fc.constantFrom(
    ":",
    "::",
    ".",
    "0",
    "1",
    "12",
    "255",
    "256",
    "f",
    "ffff",
    "10000",
    "g",
    "-1",
    "01",
    " ",
  );
  const text = fc.array(piece, { maxLength: 17 }).map((pieces) => pieces.join(""));
  check(
    fc.property(text, (each) => assert.is(parseIp(each) !== undefined, isIP(each) !== 0, each)),
    20_000,
  );
  for (const each of ["1.2.3.4", "::", "::1", "1::", "::ffff:1.2.3.4", "1:2:3:4:5:6:7::", "1:2:3:4:5:6:1.2.3.4"])
    assert.ok(parseIp(each) !== undefined, each);
  for (const each of ["", "1.2.3", "1.2.3.4.5", "01.2.3.4", ":::", "1::2::3", "1:2:3:4:5:6:7:8::", "1.2.3.4::"])
    assert.is(parseIp(each), undefined, each);
  assert.equal(parseIp("fe80::1%eth0"), parseIp("fe80::1"));
});

test("mapped() and unmapped() are each other's inverse on IPv4, and leave other IPv6 alone", () => {
  check(fc.property(bytes(4), (address) => assert.equal(unmapped(mapped(address)), address)));
  assert.equal(parseIp("::ffff:127.0.0.1"), mapped([127, 0, 0, 1]));
  assert.equal(unmapped(parseIp("::fffe:127.0.0.1") ?? []), parseIp("::fffe:127.0.0.1"));
});

test("formatIp() throws for what has neither 4 nor 16 bytes", () => {
  assert.throws(() => formatIp([1, 2, 3]), /4 or 16 bytes/);
});

/** Prefix, address, whether it is within. */
const within: readonly (readonly [string, string, boolean])[] = [
  ["10.0.0.0/8", "10.255.0.1", true],
  ["10.0.0.0/8", "11.0.0.1", false],
  ["10.1.2.3", "10.1.2.3", true],
  ["10.1.2.3", "10.1.2.4", false],
  ["10.1.2.3/0", "200.1.2.3", true],
  ["192.168.0.0/23", "192.168.1.255", true],
  ["192.168.0.0/23", "192.168.2.0", false],
  ["fd00::/8", "fdff::1", true],
  ["fd00::/8", "fe00::1", false],
  ["::/0", "1.2.3.4", false],
  ["0.0.0.0/0", "::1", false],
];

for (const [prefix, address, expected] of within)
  test(`${address} is ${expected ? "" : "not "}within ${prefix}`, () => {
    const parsed = parsePrefix(prefix);
    assert.is(parsed && isWithin(parsed, parseIp(address) ?? []), expected);
  });

test("parsePrefix() knows what is no prefix", () => {
  for (const text of ["", "10.0.0.0/33", "::/129", "10.0.0.0/", "10.0.0.0/-1", "/8", "localhost", "1.2.3.4/8/8"])
    assert.is(parsePrefix(text), undefined, text);
});

test.run();
