/** What select() refuses, how it cuts a range to the source, and when it goes inline. */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { limits } from "#core/abi/limits.js";
import type { Endpoint } from "#core/plan/endpoint.js";
import { TransferError } from "#core/error.js";
import type { TransferOptions } from "#core/transfer/request.js";
import { type Plan, select } from "#core/plan/select.js";
import { end, file, request, unknowing } from "../support/ends.ts";

const plan = (source: Endpoint, target: Endpoint, options?: TransferOptions): Plan =>
  select(source, target, request(options), unknowing);

type Refusal = readonly [what: string, source: Endpoint, target: Endpoint, code: string, options?: TransferOptions];

const socket = end("socket");
const datagrams = end("socket", { byteStream: false });

const refusals: readonly Refusal[] = [
  ["a directory as source", end("directory"), socket, "EISDIR"],
  ["a directory as target", file(1), end("directory"), "EISDIR"],
  ["a directory as source of no bytes", end("directory"), socket, "EISDIR", { length: 0 }],
  ["an epoll or event descriptor as source", end("other"), socket, "ERR_SLUICE_UNSUPPORTED"],
  ["an epoll or event descriptor as target", file(1), end("other"), "ERR_SLUICE_UNSUPPORTED"],
  ["a source not open for reading", file(1, { readable: false }), socket, "EBADF"],
  ["a source not open for reading, of no bytes", file(1, { readable: false }), socket, "EBADF", { length: 0 }],
  ["a target not open for writing", file(1), file(2, { writable: false }), "EBADF"],
  ["a datagram socket as source", datagrams, file(1), "ERR_SLUICE_UNSUPPORTED"],
  ["a datagram socket as target", file(1), datagrams, "ERR_SLUICE_UNSUPPORTED"],
  ["a listening socket as target", file(1), end("socket", { listening: true }), "ENOTCONN"],
  ["an offset into a pipe", end("pipe"), socket, "ESPIPE", { offset: 1 }],
  ["an offset into a socket", socket, file(1), "ESPIPE", { offset: 1 }],
  ["an offset into a device", end("charDevice"), file(1), "ESPIPE", { offset: 1 }],
  ["an offset into a stream", end("stream"), file(1), "ESPIPE", { offset: 1 }],
  ["a target offset into a socket", file(1), socket, "ESPIPE", { targetOffset: 0 }],
  ["a target offset into a pipe", file(1), end("pipe"), "ESPIPE", { targetOffset: 0 }],
  ["a file onto itself", file(1), file(1), "ERR_SLUICE_OVERLAP", { targetOffset: 0 }],
  ["overlap by one byte ahead", file(1), file(1), "ERR_SLUICE_OVERLAP", { offset: 0, length: 11, targetOffset: 10 }],
  ["overlap by one byte behind", file(1), file(1), "ERR_SLUICE_OVERLAP", { offset: 10, length: 10, targetOffset: 1 }],
];

for (const [what, source, target, code, options] of refusals)
  test(`select() refuses ${what} with ${code}`, () => {
    try {
      plan(source, target, options);
    } catch (error) {
      assert.instance(error, TransferError);
      const { code: given, errno, bytesTransferred, message } = error as TransferError;
      assert.is(given, code);
      assert.is(bytesTransferred, 0);
      assert.is(errno === undefined, code.startsWith("ERR_"));
      assert.ok(message.startsWith(`Cannot send ${source.name} to ${target.name}: `), message);
      return;
    }
    assert.unreachable("it was accepted");
  });

const sound: readonly (readonly [what: string, source: Endpoint, target: Endpoint, options?: TransferOptions])[] = [
  ["ranges of one file that touch ahead", file(1), file(1), { offset: 0, length: 10, targetOffset: 10 }],
  ["ranges of one file that touch behind", file(1), file(1), { offset: 10, length: 10, targetOffset: 0 }],
  ["no bytes of one file onto themselves", file(1), file(1), { length: 0, targetOffset: 0 }],
  ["equal ranges of two files", file(1), file(2), { targetOffset: 0 }],
  ["files of unknown identity", end("file"), end("file"), { targetOffset: 0 }],
  ["equal inodes on two devices", file(1), file(1, { identity: { device: 2n, inode: 1n } }), { targetOffset: 0 }],
  ["offset 0 of a pipe", end("pipe"), socket, { offset: 0 }],
  ["an offset into memory", end("memory"), socket, { offset: 1 }],
];

for (const [what, source, target, options] of sound)
  test(`select() accepts ${what}`, () => {
    assert.ok(plan(source, target, options).candidates.length > 0);
  });

const max = Number.MAX_SAFE_INTEGER;

/** Size of the source, what is asked for, what is planned, and whether an earlier end is a truncation. */
const clamps: readonly (readonly [
  size: number | undefined,
  offset: number,
  length: number | undefined,
  planned: number | undefined,
  owed: boolean,
])[] = [
  [100, 0, undefined, 100, true],
  [100, 0, 0, 0, true],
  [100, 0, 99, 99, true],
  [100, 0, 100, 100, true],
  [100, 0, 101, 100, true],
  [100, 0, max, 100, true],
  [100, 99, undefined, 1, true],
  [100, 100, undefined, 0, true],
  [100, 101, undefined, 0, true],
  [100, 1100, 65536, 0, true],
  [100, max, 1, 0, true],
  [0, 0, undefined, 0, true],
  [max, 1, undefined, max - 1, true],
  [undefined, 0, undefined, undefined, false],
  [undefined, 7, 5, 5, false],
];

for (const [size, offset, length, planned, owed] of clamps)
  test(`select() plans ${planned} bytes for { offset: ${offset}, length: ${length} } of ${size}`, () => {
    const { length: got, owed: due, offset: from } = plan(end("file", { size }), socket, { offset, length });
    assert.equal([got, due, from], [planned, owed, offset]);
  });

test("select() plans no offset for a source without positions", () => {
  for (const kind of ["socket", "pipe", "charDevice", "stream"] as const)
    assert.is(plan(end(kind), file(1)).offset, undefined);
});

const inline: readonly (readonly [what: string, source: Endpoint, target: Endpoint, inline: boolean])[] = [
  ["a body small enough to copy", file(1, { size: limits.inline_copy_bytes }), socket, true],
  ["a body at the limit", file(1, { size: limits.inline_bytes }), socket, true],
  ["a body beyond the limit", file(1, { size: limits.inline_bytes + 1 }), socket, false],
  ["a body of unknown size", file(1, { size: undefined }), socket, false],
  ["a small file to a pipe", file(1, { size: 1 }), end("pipe"), false],
  ["a small file to a file", file(1, { size: 1 }), file(2), false],
  ["a pipe to a socket", end("pipe"), socket, false],
  ["a socket to a socket", end("socket"), socket, true],
  ["a socket to a file", end("socket"), file(2), true],
  ["a socket to a pipe", end("socket"), end("pipe"), false],
];

for (const [what, source, target, expected] of inline)
  test(`select() ${expected ? "tries" : "does not try"} ${what} on the calling thread`, () => {
    const { inline: got, candidates } = plan(source, target);
    assert.is(got, expected);
    const copying = expected && source.kind === "file" && (source.size ?? 0) <= limits.inline_copy_bytes;
    assert.is(candidates[0]?.strategy === "buffered", copying, candidates[0]?.strategy);
    assert.is(candidates.filter(({ strategy }) => strategy === "buffered").length, 1);
  });

test("select() never puts another mechanism before a forced one for being inline", () => {
  const small = plan(file(1, { size: 1 }), socket, { strategy: ["sendfile", "buffered"] });
  assert.equal(
    small.candidates.map(({ strategy }) => strategy),
    ["sendfile", "buffered"],
  );
});

test.run();
