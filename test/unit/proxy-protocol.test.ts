/** The heads of the PROXY protocol: written, read again, and refused. */
import * as fc from "fast-check";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { crc32c } from "#cli/proxy/crc32c.js";
import { parseIp } from "#cli/proxy/ip.js";
import type { ProxiedConnection } from "#cli/proxy/head.js";
import { formatProxyHead, parseProxyHead } from "#cli/proxy/protocol.js";
import { check } from "../support/property.ts";

const signature = "\r\n\r\n\0\r\nQUIT\n";
const bytes = (text: string) => Uint8Array.from(text, (character) => character.charCodeAt(0));
const text = (head: Uint8Array) => String.fromCharCode(...head);
const peer = (address: string, port: number) => ({ address: parseIp(address) ?? [], port });

const ipv4: ProxiedConnection = { source: peer("192.0.2.1", 56324), destination: peer("198.51.100.2", 443) };
const ipv6: ProxiedConnection = { source: peer("2001:db8::1", 1), destination: peer("2001:db8::2", 65535) };
const mixed: ProxiedConnection = { source: peer("192.0.2.1", 1), destination: peer("2001:db8::2", 2) };

/** Version, connection, head; the bytes are those of the specification. */
const heads: readonly (readonly [1 | 2, ProxiedConnection | undefined, string])[] = [
  [1, ipv4, "PROXY TCP4 192.0.2.1 198.51.100.2 56324 443\r\n"],
  [1, ipv6, "PROXY TCP6 2001:db8::1 2001:db8::2 1 65535\r\n"],
  [1, mixed, "PROXY TCP6 ::ffff:c000:201 2001:db8::2 1 2\r\n"],
  [1, undefined, "PROXY UNKNOWN\r\n"],
  [2, ipv4, `${signature}\x21\x11\0\x0c\xc0\0\x02\x01\xc6\x33\x64\x02\xdc\x04\x01\xbb`],
  [
    2,
    ipv6,
    `${signature}\x21\x21\0\x24 \x01\r\xb8${"\0".repeat(11)}\x01 \x01\r\xb8${"\0".repeat(11)}\x02\0\x01\xff\xff`,
  ],
  [2, undefined, `${signature}\x21\0\0\0`],
];

for (const [version, connection, head] of heads)
  test(`version ${version}: ${JSON.stringify(head.replace(signature, ""))} is written, and read`, () => {
    assert.is(text(formatProxyHead(version, connection)), head);
    if (connection === mixed) return;
    assert.equal(parseProxyHead(bytes(head)), { state: "complete", length: head.length, version, connection });
  });

/** A head of version 2 with a checksum in a field of its own. */
function withChecksum(change: number): Uint8Array {
  const head = bytes(`${signature}\x21\x11\0\x13\x01\x02\x03\x04\x05\x06\x07\x08\0\x09\0\x0a\x03\0\x04\0\0\0\0`);
  new DataView(head.buffer).setUint32(head.length - 4, crc32c(head) ^ change);
  return head;
}

test("a second checksum is refused before it is looked at", () => {
  const head = bytes(`${signature}\x21\x11\0\x1a${"\x01".repeat(12)}\x03\0\x04\0\0\0\0\x03\0\x04\0\0\0\0`);
  new DataView(head.buffer).setUint32(head.length - 11, crc32c(head));
  const answer = parseProxyHead(head);
  assert.match(answer.state === "refused" ? answer.reason : answer.state, /a second checksum/);
});

test("crc32c() of RFC 3720, appendix B.4", () => {
  assert.is(crc32c(new Uint8Array(32)), 0x8a9136aa);
  assert.is(crc32c(new Uint8Array(32).fill(0xff)), 0x62a8ab43);
  assert.is(crc32c(bytes("123456789")), 0xe3069283);
});

/** What is taken although nothing says who the client is, and heads with more than addresses. */
const taken: readonly (readonly [what: string, head: Uint8Array, known: boolean])[] = [
  ["a proxy's own check", bytes(`${signature}\x20\0\0\0`), false],
  ["a proxy's own check with something behind", bytes(`${signature}\x20\x11\0\x03abc`), false],
  ["a Unix socket", bytes(`${signature}\x21\x31\0\xd8${"\0".repeat(216)}`), false],
  ["datagrams", bytes(`${signature}\x21\x12\0\x0c${"\x01".repeat(12)}`), false],
  ["an unknown line", bytes("PROXY UNKNOWN ffff:f...f:ffff what ever\r\n"), false],
  ["fields", bytes(`${signature}\x21\x11\0\x12${"\x01".repeat(12)}\x04\0\x03abc`), true],
  ["a field without a value", bytes(`${signature}\x21\x11\0\x0f${"\x01".repeat(12)}\x04\0\0`), true],
  ["a checksum", withChecksum(0), true],
];

for (const [what, head, known] of taken)
  test(`${what} is taken, and ${known ? "says" : "does not say"} who the client is`, () => {
    const parsed = parseProxyHead(head);
    assert.is(parsed.state, "complete");
    if (parsed.state !== "complete") return;
    assert.is(parsed.length, head.length);
    assert.is(parsed.connection !== undefined, known);
  });

const hostile: readonly (readonly [what: string, head: string | Uint8Array])[] = [
  ["HTTP", "GET / HTTP/1.1\r\n"],
  ["TLS", "\x16\x03\x01\x02\0"],
  ["small letters", "proxy TCP4 1.2.3.4 1.2.3.4 1 1\r\n"],
  ["two spaces", "PROXY  TCP4 1.2.3.4 1.2.3.4 1 1\r\n"],
  ["a space at the end", "PROXY TCP4 1.2.3.4 1.2.3.4 1 1 \r\n"],
  ["no CR", "PROXY TCP4 1.2.3.4 1.2.3.4 1 1\n"],
  ["a family that isn't one", "PROXY TCP5 1.2.3.4 1.2.3.4 1 1\r\n"],
  ["a property of objects", "PROXY constructor 1.2.3.4 1.2.3.4 1 1\r\n"],
  ["IPv6 in TCP4", "PROXY TCP4 ::1 ::1 1 1\r\n"],
  ["IPv4 in TCP6", "PROXY TCP6 1.2.3.4 1.2.3.4 1 1\r\n"],
  ["a byte of 256", "PROXY TCP4 1.2.3.256 1.2.3.4 1 1\r\n"],
  ["octal", "PROXY TCP4 01.2.3.4 1.2.3.4 1 1\r\n"],
  ["a zone", "PROXY TCP6 fe80::1%lo ::1 1 1\r\n"],
  ["a port of 65536", "PROXY TCP4 1.2.3.4 1.2.3.4 65536 1\r\n"],
  ["a port of -1", "PROXY TCP4 1.2.3.4 1.2.3.4 -1 1\r\n"],
  ["a port with a zero before", "PROXY TCP4 1.2.3.4 1.2.3.4 01 1\r\n"],
  ["no ports", "PROXY TCP4 1.2.3.4 1.2.3.4\r\n"],
  ["more than there should be", "PROXY TCP4 1.2.3.4 1.2.3.4 1 1 1\r\n"],
  ["a line without an end", `PROXY UNKNOWN ${"x".repeat(200)}`],
  ["a line that is too long", `PROXY UNKNOWN ${"x".repeat(100)}\r\n`],
  ["half a signature", "\r\n\r\n\0\r\nQUIX"],
  ["version 1 in the binary head", `${signature}\x11\x11\0\x0c${"\x01".repeat(12)}`],
  ["version 3", `${signature}\x31`],
  ["command 2", `${signature}\x22`],
  ["family 4", `${signature}\x21\x41`],
  ["protocol 3", `${signature}\x21\x13`],
  ["no room for IPv4", `${signature}\x21\x11\0\x0b`],
  ["no room for IPv6", `${signature}\x21\x21\0\x23`],
  ["no room for paths", `${signature}\x21\x31\0\xd7`],
  ["a field longer than the head", `${signature}\x21\x11\0\x0f${"\x01".repeat(12)}\x04\0\x01`],
  ["half of a field's head", `${signature}\x21\x11\0\x0e${"\x01".repeat(12)}\x04\0`],
  ["a wrong checksum", withChecksum(1)],
  ["a checksum of three bytes", `${signature}\x21\x11\0\x12${"\x01".repeat(12)}\x03\0\x03abc`],
];

for (const [what, head] of hostile)
  test(`${what} is refused`, () => {
    assert.is(parseProxyHead(typeof head === "string" ? bytes(head) : head).state, "refused");
  });

const address = (length: number) =>
  fc.array(fc.integer({ min: 0, max: 255 }), { minLength: length, maxLength: length });
const plain = { noNullPrototype: true } as const;
const end = (length: number) =>
  fc.record({ address: address(length), port: fc.integer({ min: 0, max: 65535 }) }, plain);
const connections = fc
  .constantFrom(4, 16)
  .chain((length) => fc.record({ source: end(length), destination: end(length) }, plain));
const versions = fc.constantFrom(1 as const, 2 as const);

test("a head is read as it was written, whatever follows, and by no part of it", () => {
  check(
    fc.property(versions, connections, fc.uint8Array({ maxLength: 20 }), (version, connection, rest) => {
      const head = formatProxyHead(version, connection);
      const all = Uint8Array.from([...head, ...rest]);
      assert.equal(parseProxyHead(all), { state: "complete", length: head.length, version, connection });
      for (let length = 0; length < head.length; length++) {
        const part = parseProxyHead(head.subarray(0, length));
        assert.is(part.state, "more");
        if (part.state === "more") assert.ok(part.needed > length && part.needed <= head.length, `${part.needed}`);
      }
    }),
    300,
  );
});

test("no bytes make it throw, and what is refused stays refused whatever follows", () => {
  const start = fc.constantFrom("", "PROXY ", "PROXY TCP4 ", signature, `${signature}\x21`, `${signature}\x21\x11\0`);
  check(
    fc.property(start, fc.uint8Array({ maxLength: 40 }), fc.uint8Array({ maxLength: 200 }), (first, some, more) => {
      const part = Uint8Array.from([...bytes(first), ...some]);
      const { state } = parseProxyHead(part);
      const whole = parseProxyHead(Uint8Array.from([...part, ...more]));
      if (state !== "more") assert.is(whole.state, state);
    }),
    20_000,
  );
});

test.run();
