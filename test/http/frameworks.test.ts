/** Unchanged apps of the frameworks: the same with the preload and without, and taken over. */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { sha256 } from "../support/data.ts";
import { assertSame, startPair, type Taken } from "./support/compare.ts";
import { isLarge, makeContent, type Size } from "./support/content.ts";
import type { Answer, Visit } from "./support/visit.ts";

const content = makeContent();

/** A way of a framework to answer with a file. */
interface Way {
  readonly path: (name: string) => string;
  /** It understands ranges, conditions and HEAD; otherwise it is a stream that is piped, nothing more. */
  readonly conditional: boolean;
}

const file = (prefix: string): Way => ({ path: (name) => `${prefix}/${name}`, conditional: true });
const stream = (prefix: string): Way => ({ path: (name) => `${prefix}/${name}`, conditional: false });

interface Framework {
  readonly script: string;
  readonly package?: string;
  readonly ways: readonly Way[];
}

const frameworks: Readonly<Record<string, Framework>> = {
  "Express 5": {
    script: "express",
    package: "express",
    ways: [file("/static"), file("/send-file"), file("/download"), stream("/pipe")],
  },
  "Express 4": {
    script: "express",
    package: "express4",
    ways: [file("/static"), file("/send-file"), file("/download"), stream("/pipe")],
  },
  "Fastify 5": { script: "fastify", ways: [file("/static"), file("/send-file"), stream("/stream")] },
  "Koa 3": { script: "koa", ways: [stream("/stream"), stream("/stream-with-length"), stream("/send")] },
  sirv: { script: "middleware", package: "sirv", ways: [file("/static")] },
  "serve-static": { script: "middleware", package: "serve-static", ways: [file("/static")] },
};

/** Requests to what understands them. */
const conditions: Readonly<Record<string, Omit<Visit, "path">>> = {
  range: { headers: { range: "bytes=1000-299999" } },
  "suffix range": { headers: { range: "bytes=-300000" } },
  "open range": { headers: { range: "bytes=5000-" } },
  "several ranges": { headers: { range: "bytes=0-999,5000-5999,-100" } },
  "absurd range": { headers: { range: "bytes=99999999999-" } },
  "range of a changed file": { headers: { range: "bytes=0-9", "if-range": '"another"' } },
  "not modified since": { headers: { "if-modified-since": "Wed, 15 Nov 2023 00:00:00 GMT" } },
  HEAD: { method: "HEAD" },
};

/** Where there is a large body it is taken over, where there is none nothing is. */
const byBody = ({ bytes }: Answer): Taken => (isLarge(bytes) ? true : bytes > 0 ? undefined : false);

for (const [name, { script, package: packageName = "", ways }] of Object.entries(frameworks)) {
  const test = suite(name);
  const starting = startPair({ script, args: [content.folder, packageName] });

  for (const { path, conditional } of ways) {
    test(`${name} sends files by ${path("")} as it does without the preload`, async () => {
      const pair = await starting;
      for (const size of ["empty", "1k", "64k", "300k", "16m"] satisfies Size[]) {
        const id = `${path("")} ${size}`;
        const answer = await assertSame(pair, id, { path: path(`${size}.bin`) }, byBody);
        assert.is(answer.status, 200);
        assert.is(answer.sha256, sha256(content.bytes[size]));
        assert.is(answer.connection, "kept");
      }
      const missing = await assertSame(pair, `${path("")} missing`, { path: path("missing.bin") }, undefined);
      // Koa breaks off what it hands to pipeline(), and so gives no status at all.
      assert.is.not(missing.status, 200);
    });

    if (!conditional) continue;
    for (const [condition, request] of Object.entries(conditions))
      test(`${name} answers ${condition} by ${path("")} as it does without the preload`, async () => {
        const pair = await starting;
        const id = `${path("")} ${condition}`;
        await assertSame(pair, id, { path: path("16m.bin"), ...request }, byBody);
      });

    test(`${name} answers 304 by ${path("")} to the ETag that it gave`, async () => {
      const pair = await starting;
      const { headers } = await assertSame(pair, `${path("")} first`, { path: path("300k.bin") }, true);
      const etag = headers.find((each) => /^etag: /i.test(each))?.slice("etag: ".length) ?? "";
      const request = { path: path("300k.bin"), headers: { "if-none-match": etag } };
      const answer = await assertSame(pair, `${path("")} again`, request, false);
      assert.is(answer.status, 304);
      assert.is(answer.bytes, 0);
    });
  }

  if (script === "express")
    test(`${name} with compression sends what it sends without the preload, and nothing is taken over`, async () => {
      const pair = await starting;
      const headers = { "accept-encoding": "gzip" };
      for (const extension of ["bin", "jpg"])
        for (const size of ["300k", "16m"] satisfies Size[]) {
          const path = `/compressed/${size}.${extension}`;
          const answer = await assertSame(pair, path, { path, headers }, false);
          assert.is(answer.headers.includes("Content-Encoding: gzip"), extension === "bin");
        }
    });

  if (script === "fastify")
    test(`${name} answers injected requests, which have no socket`, async () => {
      const pair = await starting;
      const path = "/inject/300k.bin";
      const answer = await assertSame(pair, path, { path }, false);
      assert.is(answer.sha256, sha256(Buffer.from(JSON.stringify({ statusCode: 200, length: 300 * 1024 }))));
    });

  test.after(async () => await (await starting)[Symbol.asyncDispose]());
  test.run();
}
