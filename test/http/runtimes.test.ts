/** node:http apps on Deno, where sockets show their descriptors, and on Bun, where they don't. */
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { sha256 } from "../support/data.ts";
import { root } from "../support/root.ts";
import { candidates, locate, type Runtime } from "../support/runtimes.ts";
import { families } from "./apps/routes.ts";
import { assertTaken, both, type Pair, startPair } from "./support/compare.ts";
import { makeContent, type Size } from "./support/content.ts";
import { RawClient } from "./support/raw.ts";
import { visit } from "./support/visit.ts";

const content = makeContent();

interface Host {
  /** What loads the preload; Deno takes a path alone. */
  readonly loading: readonly string[];
  /** Whether sockets of node:http have a descriptor to be found. */
  readonly takes: boolean;
}

const hosts: Readonly<Record<string, Host>> = {
  deno: { loading: ["--preload", join(root, "dist/lib/deno/register.js")], takes: true },
  bun: { loading: ["--preload", "sluice/register"], takes: false },
};

const start = ({ command: [execPath, ...execArgv] }: Runtime, script: string, { loading }: Host): Promise<Pair> =>
  startPair({ script, args: [content.folder, "express"], execPath, execArgv }, loading);

for (const candidate of candidates.usual) {
  const host = hosts[candidate.name];
  if (host === undefined) continue;
  const test = suite(`on ${candidate.name}`);
  const located = locate(candidate);

  test(`Express on ${candidate.name} serves with the preload what it serves without`, async () => {
    await using pair = await start(await located, "express", host);
    for (const path of ["/static", "/send-file", "/download", "/pipe"])
      for (const size of ["empty", "1k", "300k", "16m"] satisfies Size[]) {
        const { on, off } = await both(pair, (app) => visit(app, `${path} ${size}`, { path: `${path}/${size}.bin` }));
        assert.equal(on.answer, off.answer, path);
        assert.is(on.answer.sha256, sha256(content.bytes[size]));
        await assertTaken(pair.on, size === "16m" ? host.takes : host.takes && undefined);
      }
    const range = { path: "/static/16m.bin", headers: { range: "bytes=1000-9000000" } };
    const ranges = await both(pair, (app) => visit(app, "range", range));
    assert.equal(ranges.on.answer, ranges.off.answer);
    assert.is(ranges.on.answer.status, 206);
    await assertTaken(pair.on, host.takes);
    const headers = { "accept-encoding": "gzip" };
    const compressed = await both(pair, (app) => visit(app, "gzip", { path: "/compressed/300k.bin", headers }));
    assert.equal(compressed.on.answer, compressed.off.answer);
    await assertTaken(pair.on, false);
  });

  test(`node:http on ${candidate.name} serves with the preload what it serves without`, async () => {
    await using pair = await start(await located, "plain", host);
    for (const route of ["pipe", "chunked", "pipeline", "promised-pipeline", "range", "without-end", "trailers"]) {
      const { on, off } = await both(pair, (app) => visit(app, route, { path: `/${route}/16m.bin` }));
      assert.equal(on.answer, off.answer, route);
      await assertTaken(pair.on, host.takes);
    }
    for (const route of ["gzip", "data-listener", "two-targets", "not-found", "encoding"]) {
      const { on, off } = await both(pair, (app) => visit(app, route, { path: `/${route}/300k.bin` }));
      assert.equal(on.answer, off.answer, route);
      await assertTaken(pair.on, false);
    }
  });

  test(`a client that goes away from ${candidate.name} leaves the next one served`, async () => {
    await using pair = await start(await located, "plain", host);
    for (const route of ["pipe", "pipeline", "chunked"]) {
      const client = await RawClient.connect(pair.on);
      client.request(`/${route}/16m.bin?case=gone-${route}`);
      await client.head();
      await client.read(100_000);
      client.socket.resetAndDestroy();
      const { answer } = await visit(pair.on, `after-${route}`, { path: `/${route}/16m.bin` });
      assert.is(answer.sha256, sha256(content.bytes["16m"]));
    }
  });

  // Where streams are not taken over, their files stay open as they do without the preload.
  if (host.takes)
    test(`answers that wait on ${candidate.name} leave nothing behind when their client goes away`, async () => {
      await using pair = await start(await located, "plain", host);
      const { on } = pair;
      await visit(on, "warm-up", { path: "/pipe/16m.bin" });
      const before = await on.descriptors();
      for (let round = 0; round < 5; round++) {
        const client = await RawClient.connect(on);
        client.request("/pipe/16m.bin?case=first", ...Array<string>(8).fill("/pipe/300k.bin?case=waiting"));
        await client.head();
        await client.read(100_000);
        if (round % 2 === 0) client.socket.resetAndDestroy();
        else client.socket.destroy();
      }
      await on.assertDescriptors(before);
    });

  test(`bodies of several parts come whole from ${candidate.name}`, async () => {
    await using pair = await start(await located, "plain", host);
    for (const route of Object.keys(families.parts))
      for (const size of ["1k", "300k", "16m"] satisfies Size[]) {
        const { on, off } = await both(pair, (app) =>
          visit(app, `${route} ${size}`, { path: `/${route}/${size}.bin` }),
        );
        assert.equal(on.answer, off.answer, `${route} ${size}`);
      }
  });

  test.run();
}
