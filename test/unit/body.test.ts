/** How long a message's body is by its head, and how much of it may pass a parser by. */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { bodyLength, bodyTailBytes, leastBodyBytes, passableBytes } from "#core/body.js";

const test = suite("body");

const heads: readonly (readonly [head: string, expected: ReturnType<typeof bodyLength>])[] = [
  ["Content-Length: 12", 12],
  ["Host: a, content-LENGTH: 0", 0],
  ["Content-Length: 999999999999999", 999_999_999_999_999],
  ["Content-Length: 9999999999999999", "the message's length is not a plain number"],
  ["Content-Length: ", "the message's length is not a plain number"],
  ["Content-Length: +12", "the message's length is not a plain number"],
  ["Content-Length: 1e3", "the message's length is not a plain number"],
  ["Content-Length: 12 13", "the message's length is not a plain number"],
  ["Content-Length: 12, Content-Length: 12", "the message has several lengths"],
  ["Content-Length: 12, Transfer-Encoding: chunked", "the body comes in chunks"],
  ["Transfer-Encoding: identity", "the body comes in chunks"],
  ["Content-Lengths: 12, Content_Length: 13, X-Transfer-Encoding: a", undefined],
  ["", undefined],
];

for (const [head, expected] of heads)
  test(`the head "${head}" tells ${expected ?? "of no body"}`, () => {
    const raw = head === "" ? [] : head.split(", ").flatMap((line) => line.split(": "));
    assert.is(bodyLength(raw), expected);
  });

test("a name as a value, and a value without a name, tell nothing", () => {
  assert.is(bodyLength(["X-A", "Content-Length", "X-B", "12"]), undefined);
  assert.is(bodyLength(["X-A", "1", "Content-Length"]), undefined);
});

test("the end of a body is the parser's own", () => {
  for (const least of Object.values(leastBodyBytes)) assert.is(passableBytes(least), least - bodyTailBytes);
  for (const left of [-1, 0, 1, bodyTailBytes]) assert.is(passableBytes(left), 0);
  assert.is(passableBytes(2 ** 40), 2 ** 40 - bodyTailBytes);
});

test.run();
