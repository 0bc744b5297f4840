/** Exchanges of any size, framing and end through proxyPass(): what arrives whole is right to the byte, and nothing stays open. */
import * as http from "node:http";
import process from "node:process";
import { assert, test } from "../support/contract.ts";
import { randomBytes, sha256 } from "../support/data.ts";
import { settles } from "../support/wait.ts";
import { data, KiB, MiB } from "./support/files.ts";
import { front, httpUpstream } from "./support/upstreams.ts";

const seed = Number(process.env["SLUICE_TEST_SEED"] ?? 1);
const pool = data(2 * MiB);

/** What one exchange is to be. Sizes are those of bodies, up and down. */
interface Plan {
  readonly id: number;
  readonly up: number;
  readonly down: number;
  readonly isPut: boolean;
  readonly upChunked: boolean;
  readonly downChunked: boolean;
  /** The upstream breaks off within its body. */
  readonly cut: boolean;
  /** The client goes once it has so many bytes of the answer. */
  readonly goesAt: number | undefined;
}

function plan(id: number): Plan {
  const words = new Uint32Array(randomBytes(40, seed * 100_000 + id).buffer);
  const chance = (i: number) => (words[i] ?? 0) / 2 ** 32;
  const size = (i: number) => Math.floor(chance(i) ** 3 * pool.length);
  const down = size(1);
  return {
    id,
    up: size(0),
    down,
    isPut: chance(2) < 0.5,
    upChunked: chance(3) < 0.5,
    downChunked: chance(4) < 0.5,
    cut: down > KiB && chance(5) < 0.1,
    goesAt: chance(6) < 0.15 ? Math.floor(chance(7) * down) : undefined,
  };
}

const nameOf = (each: Plan) => `/${each.id}`;

interface Outcome {
  readonly status: number;
  readonly body: Buffer;
  /** Whether it came to its own end. */
  readonly isWhole: boolean;
}

function carry(each: Plan, port: number, agent: http.Agent): Promise<Outcome> {
  return new Promise((resolve) => {
    const chunks: Buffer[] = [];
    let status = 0;
    let received = 0;
    let isWhole = false;
    const sent = http.request({
      host: "127.0.0.1",
      port,
      agent,
      path: nameOf(each),
      method: each.isPut ? "PUT" : "GET",
      headers: each.isPut && !each.upChunked ? { "content-length": each.up } : {},
    });
    sent.on("error", () => undefined);
    sent.once("close", () => resolve({ status, body: Buffer.concat(chunks), isWhole }));
    sent.once("response", (message) => {
      status = message.statusCode ?? 0;
      message.on("error", () => undefined);
      message.once("end", () => (isWhole = message.complete));
      message.on("data", (chunk: Buffer) => {
        chunks.push(chunk);
        received += chunk.length;
        if (each.goesAt !== undefined && received > each.goesAt) sent.destroy();
      });
    });
    if (!each.isPut) return void sent.end();
    const half = each.up >> 1;
    sent.write(pool.subarray(0, half));
    setImmediate(() => sent.end(pool.subarray(half, each.up)));
  });
}

test("200 exchanges come whole, or not, as they are to", { timeoutMs: 60_000 }, async () => {
  const plans = Array.from({ length: 200 }, (_, id) => plan(id));
  const uploads = new Map<string, string>();
  await using upstream = await httpUpstream((message, response) => {
    const chunks: Buffer[] = [];
    message.on("error", () => undefined).on("data", (chunk: Buffer) => chunks.push(chunk));
    message.once("end", () => {
      const name = message.url ?? "";
      uploads.set(name, sha256(...chunks));
      const each = plan(Number(name.slice(1)));
      if (!each.downChunked) response.setHeader("content-length", each.down);
      response.write(pool.subarray(0, each.down >> 1), () => {
        if (each.cut) response.socket?.destroy();
        else response.end(pool.subarray(each.down >> 1, each.down));
      });
    });
  });
  const kept = new http.Agent({ keepAlive: true });
  const agent = new http.Agent({ keepAlive: true, maxSockets: 6 });
  await using proxy = await front(upstream, { agent: kept });
  const left = [...plans];
  const lane = async () => {
    for (let each = left.shift(); each !== undefined; each = left.shift()) {
      const what = `seed ${seed}: ${JSON.stringify(each)}`;
      const { status, body, isWhole } = await carry(each, proxy.port, agent);
      if (each.goesAt !== undefined) continue;
      if (each.cut) assert.ok(!isWhole || status === 502, what);
      else {
        assert.ok(isWhole && status === 200, `${status} ${what}`);
        assert.ok(body.equals(pool.subarray(0, each.down)), what);
      }
      assert.is(uploads.get(nameOf(each)), sha256(pool.subarray(0, each.isPut ? each.up : 0)), what);
    }
  };
  await Promise.all(Array.from({ length: 8 }, lane));
  agent.destroy();
  kept.destroy();
  assert.ok(await settles(() => upstream.open() === 0));
  assert.ok(proxy.errors.length <= plans.filter(({ cut }) => cut).length, String(proxy.errors));
});
