/** CASES.md C: the source changes while it is sent, or afterwards. */
import * as fs from "node:fs";
import { open } from "node:fs/promises";
import { join } from "node:path";
import { type Strategy, transfer } from "sluice";
import { assert, test } from "../support/contract.ts";
import { collect, digest, sha256 } from "../support/data.ts";
import { tempFolder } from "../support/temp.ts";
import { arrivals, connect, readExactly } from "./support/connection.ts";
import { assertBytes, data, dataFile, KiB, MiB } from "./support/files.ts";
import { failure } from "./support/outcome.ts";

/** More than the kernel buffers for one connection (tcp_wmem and tcp_rmem, 4 and 32 MiB), so it can't be over early. */
const size = 40 * MiB;

const mechanisms: readonly (readonly [Strategy, readonly "engine"[]])[] = [
  ["sendfile", ["engine"]],
  ["splice", ["engine"]],
  ["mapped", ["engine"]],
  ["buffered", ["engine"]],
  ["portable", []],
];

/** Mechanisms that give the socket references to the file's pages instead of copies. */
const handsOver = new Set<Strategy>(["sendfile", "splice"]);

/** What may arrive without being counted: the rest of a write from a map that the truncation overtook. */
const uncountable: Partial<Record<Strategy, number>> = { mapped: MiB };

/** Asserts that every byte is that of the one or of the other. */
function assertEither(actual: Buffer, one: Buffer, other: Buffer): void {
  const at = actual.findIndex((byte, i) => byte !== one[i] && byte !== other[i]);
  assert.is(at, -1, `the byte at ${at} is neither`);
}

for (const [strategy, needs] of mechanisms) {
  test(
    `transfer() by ${strategy} of a file that is truncated says so and pads nothing (37, 42)`,
    { needs },
    async () => {
      const { path, content } = dataFile(tempFolder(), size);
      using link = await connect();
      const sending = failure(() => transfer(path, link.socket, { strategy, length: size }));
      const first = await readExactly(link.peer, 1000);
      fs.truncateSync(path, 8 * KiB + 100);
      const rest = collect(link.peer);
      const error = await sending;
      link.socket.end();
      const received = Buffer.concat([first, await rest]);
      assert.is(error.code, "ERR_SLUICE_TRUNCATED");
      assert.is(error.sourceOffset, error.bytesTransferred);
      assert.ok(received.length < size);
      const uncounted = received.length - error.bytesTransferred;
      assert.ok(uncounted >= 0 && uncounted <= (uncountable[strategy] ?? 0), `${uncounted} bytes arrived uncounted`);
      // The kernel clears the rest of the folio that the new end is in, though it lies in the socket already.
      const cleared = handsOver.has(strategy) ? Buffer.alloc(received.length) : content;
      assertEither(received.subarray(0, error.bytesTransferred), content, cleared);
    },
  );

  test(
    `transfer() by ${strategy} of a growing file ends where the file ended at the start (38)`,
    { needs },
    async () => {
      const { path, content } = dataFile(tempFolder(), size);
      using link = await connect();
      const sending = transfer(path, link.socket, { strategy });
      await readExactly(link.peer, 1000);
      fs.appendFileSync(path, data(5 * MiB, 2));
      const rest = digest(link.peer);
      const { bytes } = await sending;
      link.socket.end();
      assert.is(bytes, size);
      assert.equal(await rest, { bytes: size - 1000, sha256: sha256(content.subarray(1000)) });
    },
  );

  test(
    `transfer() by ${strategy} goes on when the caller closes the fd and its number is reused (44)`,
    { needs },
    async () => {
      const folder = tempFolder();
      const { path, content } = dataFile(folder, size);
      const stranger = dataFile(folder, size, 2).path;
      const source = fs.openSync(path, "r");
      using link = await connect();
      const sending = transfer(source, link.socket, { strategy });
      const first = await readExactly(link.peer, 1000);
      fs.closeSync(source);
      assert.is(fs.openSync(stranger, "r"), source, "the number is reused at once");
      const rest = digest(link.peer);
      const { bytes } = await sending;
      link.socket.end();
      fs.closeSync(source);
      assert.is(bytes, size);
      assertBytes(first, content.subarray(0, 1000));
      assert.equal(await rest, { bytes: size - 1000, sha256: sha256(content.subarray(1000)) });
    },
  );
}

test(
  "transfer() of a FileHandle that is closed meanwhile sends all of it and leaves the socket usable (44)",
  {},
  async () => {
    const { path, content } = dataFile(tempFolder(), size);
    const handle = await open(path);
    using link = await connect();
    const sending = transfer(handle, link.socket);
    const first = await readExactly(link.peer, 1000);
    await handle.close();
    const rest = digest(link.peer);
    const { bytes } = await sending;
    link.socket.end("after");
    assert.is(bytes, size);
    assertBytes(first, content.subarray(0, 1000));
    const expected = [content.subarray(1000), Buffer.from("after")];
    assert.equal(await rest, { bytes: size - 1000 + 5, sha256: sha256(...expected) });
  },
);

/** Small enough to be wholly in the socket's buffers before the peer has read anything. */
const buffered = 48 * KiB;

test("transfer() has handed over bytes that a later truncation does not take back (40)", {}, async () => {
  const { path, content } = dataFile(tempFolder(), buffered);
  using link = await connect();
  assert.is((await transfer(path, link.socket)).bytes, buffered);
  fs.truncateSync(path, 0);
  link.socket.end();
  assertBytes(await collect(link.peer), content);
});

test(
  "transfer() by sendfile may show a later overwrite to the peer, page by page (40)",
  { needs: ["engine"] },
  async () => {
    const path = join(tempFolder(), "file");
    fs.writeFileSync(path, Buffer.alloc(buffered, "o"));
    using link = await connect();
    await transfer(path, link.socket, { strategy: "sendfile" });
    fs.writeFileSync(path, Buffer.alloc(buffered, "n"), { flag: "r+" });
    link.socket.end();
    const received = await collect(link.peer);
    assert.is(received.length, buffered);
    assert.match(received.toString(), /^[on]+$/);
  },
);

for (const strategy of ["buffered", "portable"] as const) {
  test(`transfer() by ${strategy} copies, so a later overwrite is not seen (40)`, { needs: ["engine"] }, async () => {
    const { path, content } = dataFile(tempFolder(), buffered);
    const { received } = await arrivals(async (socket) => {
      await transfer(path, socket, { strategy });
      fs.writeFileSync(path, Buffer.alloc(buffered, "n"), { flag: "r+" });
    });
    assertBytes(received, content);
  });
}

test("transfer() takes a file's size when its turn comes, not when it is called (37)", {}, async () => {
  const { path, content } = dataFile(tempFolder(), MiB);
  using link = await connect();
  const blocker = data(size, 3);
  link.socket.write(blocker);
  const sending = transfer(path, link.socket, { length: MiB });
  await readExactly(link.peer, 1000);
  fs.truncateSync(path, 4097);
  const rest = digest(link.peer);
  assert.is((await sending).bytes, 4097);
  link.socket.end();
  const expected = [blocker.subarray(1000), content.subarray(0, 4097)];
  assert.equal(await rest, { bytes: size - 1000 + 4097, sha256: sha256(...expected) });
});
