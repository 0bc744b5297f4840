/** CASES.md E 70: the socket's own idle time-out sees what goes past JavaScript. */
import { once } from "node:events";
import { setTimeout as sleep } from "node:timers/promises";
import { transfer } from "sluice";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { connect, readExactly } from "../contract/support/connection.ts";
import { dataFile, MiB } from "../contract/support/files.ts";
import { failure } from "../contract/support/outcome.ts";
import { digest } from "../support/data.ts";
import { steadily } from "../support/steady.ts";
import { tempFolder } from "../support/temp.ts";

const test = suite("socket time-out");
const { path } = dataFile(tempFolder(), 64 * MiB);

for (const strategy of ["auto", "portable"] as const) {
  test(`socket.setTimeout() fires when the peer of a transfer by ${strategy} stalls (70)`, async () => {
    using link = await connect();
    const sending = failure(() => transfer(path, link.socket, { strategy }));
    await readExactly(link.peer, 1);
    link.socket.setTimeout(200);
    await once(link.socket, "timeout");
    link.socket.destroy();
    assert.is((await sending).code, "ERR_SLUICE_CLOSED");
  });

  test(`socket.setTimeout() set before the transfer by ${strategy} fires too (70)`, async () => {
    using link = await connect();
    link.socket.setTimeout(200);
    const sending = failure(() => transfer(path, link.socket, { strategy }));
    await once(link.socket, "timeout");
    link.socket.destroy();
    assert.is((await sending).code, "ERR_SLUICE_CLOSED");
  });

  test(`socket.setTimeout() does not fire while a transfer by ${strategy} makes progress (70)`, () =>
    steadily(600, async () => {
      using link = await connect();
      let timeouts = 0;
      link.socket.setTimeout(1500, () => timeouts++);
      const sending = transfer(path, link.socket, { strategy });
      // Each step empties what the peer holds and so lets more through; together they outlast the time-out.
      for (let step = 0; step < 12; step++) {
        await readExactly(link.peer, 2 * MiB);
        await sleep(200);
      }
      assert.is(timeouts, 0);
      const rest = digest(link.peer);
      await sending;
      link.socket.end();
      assert.is((await rest).bytes, 40 * MiB);
    }));
}

test("transfer() leaves the time-out as long as it was (70)", async () => {
  using link = await connect();
  link.socket.setTimeout(54_321);
  const rest = digest(link.peer);
  await transfer(path, link.socket);
  assert.is(link.socket.timeout, 54_321);
  link.socket.end();
  await rest;
});

test.run();
