/** Addresses of stream sockets as they are written on a command line. */
import * as fc from "fast-check";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { type Address, formatAddress, parseAddress } from "#cli/address.js";
import { check } from "../support/property.ts";

const right: readonly (readonly [string, Address])[] = [
  ["example.org:80", { host: "example.org", port: 80 }],
  ["127.0.0.1:0", { host: "127.0.0.1", port: 0 }],
  ["[::1]:65535", { host: "::1", port: 65535 }],
  ["[fe80::1%eth0]:1", { host: "fe80::1%eth0", port: 1 }],
  ["8080", { host: "127.0.0.1", port: 8080 }],
  ["/run/app.sock", { path: "/run/app.sock" }],
  ["./app.sock", { path: "./app.sock" }],
  ["unix:app.sock", { path: "app.sock" }],
  ["unix:/run/app.sock", { path: "/run/app.sock" }],
  [`/${"a".repeat(106)}`, { path: `/${"a".repeat(106)}` }],
];

for (const [text, address] of right)
  test(`parseAddress("${text.slice(0, 30)}")`, () => {
    assert.equal(parseAddress(text), address);
    assert.equal(parseAddress(formatAddress(address)), address);
  });

const wrong = [
  "",
  "host",
  "host:",
  ":80",
  "::1:80",
  "[::1]",
  "[]:80",
  "host:65536",
  "host:-1",
  "host:1e3",
  "a b:80",
  "unix:",
  `/${"a".repeat(107)}`,
  // As many bytes as 108 letters.
  `/${"é".repeat(53)}a`,
  "/a\0b",
];

for (const text of wrong)
  test(`parseAddress(${JSON.stringify(text.slice(0, 30))}) is undefined`, () => {
    assert.is(parseAddress(text), undefined);
  });

test("what parseAddress() takes, formatAddress() writes in a way that it takes for the same", () => {
  check(
    fc.property(fc.string({ maxLength: 20, unit: fc.constantFrom(..."a1:[]/.% u") }), (text) => {
      const address = parseAddress(text);
      if (address !== undefined) assert.equal(parseAddress(formatAddress(address)), address);
    }),
    20_000,
  );
});

test.run();
