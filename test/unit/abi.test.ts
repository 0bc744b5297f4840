/** The records that cross to the engine, and the header made from the same tables. */
import { execFileSync } from "node:child_process";
import { copyFileSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import * as fc from "fast-check";
import { test } from "uvu";
import * as assert from "uvu/assert";
import * as abi from "#core/abi/abi.js";
import * as records from "#core/abi/records.js";
import { check } from "../support/property.ts";
import { root } from "../support/root.ts";
import { tempFolder } from "../support/temp.ts";

const sizes = { i32: 4, u32: 4, i64: 8 } as const;

const values = {
  i32: fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 }),
  u32: fc.integer({ min: 0, max: 2 ** 32 - 1 }),
  i64: fc.oneof(
    fc.maxSafeInteger(),
    fc.constantFrom(0, 1, -1, 2 ** 31, -(2 ** 31), 2 ** 32 - 1, 2 ** 32, -(2 ** 32), -(2 ** 32) - 1),
    fc.constantFrom(Number.MAX_SAFE_INTEGER, Number.MIN_SAFE_INTEGER),
  ),
} as const;

const codecs: Readonly<
  Record<keyof typeof records.records, records.RecordCodec<Readonly<Record<string, keyof typeof sizes>>>>
> = {
  request: records.requestRecord,
  outcome: records.outcomeRecord,
  pair_request: records.pairRequestRecord,
  pair_outcome: records.pairOutcomeRecord,
  pair_progress: records.pairProgressRecord,
  inspection: records.inspectionRecord,
  memory: records.memoryRecord,
  outlet: records.outletRecord,
  extent: records.extentRecord,
  times: records.timesRecord,
  interface: records.interfaceRecord,
  lease_break: records.leaseBreakRecord,
  mapping: records.mappingRecord,
  loss: records.lossRecord,
  residency: records.residencyRecord,
  ring_status: records.ringStatusRecord,
  pipe_ends: records.pipeEndsRecord,
  census: records.censusRecord,
};

/** What the platform itself reads at a field's place. */
const platformReads = {
  i32: (view: DataView, at: number) => BigInt(view.getInt32(at, true)),
  u32: (view: DataView, at: number) => BigInt(view.getUint32(at, true)),
  i64: (view: DataView, at: number) => view.getBigInt64(at, true),
} as const;

for (const [name, layout] of Object.entries(records.records)) {
  const codec = codecs[name as keyof typeof records.records];
  const fields = Object.entries(layout);

  test(`the ${name} record is naturally aligned, as C lays it out without padding`, () => {
    let at = 0;
    for (const [field, type] of fields) {
      assert.is(at % sizes[type], 0, field);
      at += sizes[type];
    }
    assert.is(codec.size, at);
    const widest = Math.max(...fields.map(([, type]) => sizes[type]));
    assert.is(at % widest, 0, "an array of them would have padding");
  });

  test(`the ${name} record gives back every value, at any place of a buffer`, () => {
    check(
      fc.property(fc.tuple(...fields.map(([, type]) => values[type])), fc.nat(3), (written, index) => {
        const view = new DataView(new ArrayBuffer(codec.size * 5));
        const base = codec.size * index;
        for (const [nth, [field]] of fields.entries()) codec.set(view, field, written[nth] ?? 0, base);
        let at = base;
        for (const [nth, [field, type]] of fields.entries()) {
          assert.is(codec.get(view, field, base), written[nth]);
          assert.is(platformReads[type](view, at), BigInt(written[nth] ?? 0), field);
          at += sizes[type];
        }
        // Nothing was written before or behind.
        const bytes = new Uint8Array(view.buffer);
        assert.ok(bytes.subarray(0, base).every((byte) => byte === 0));
        assert.ok(bytes.subarray(base + codec.size).every((byte) => byte === 0));
      }),
      300,
    );
  });
}

test("getWide() reads device and inode numbers beyond 2^53", () => {
  const view = new DataView(new ArrayBuffer(records.inspectionRecord.size));
  view.setBigUint64(24, 2n ** 64n - 3n, true);
  assert.is(records.inspectionRecord.getWide(view, "inode"), 2n ** 64n - 3n);
});

test("a codec refuses a field that its record does not have", () => {
  assert.throws(() => codecs.extent.get(new DataView(new ArrayBuffer(16)), "middle"), /No field middle/);
});

test("every function names each of its arguments", () => {
  for (const [name, { args, names, doc }] of Object.entries(abi.symbols)) {
    assert.is(names.length, args.length, name);
    assert.ok(doc.length > 0, name);
  }
});

test("every enumeration has different numbers, and every flag a bit of its own", () => {
  for (const numbers of [abi.opcodes, abi.ends, abi.fdKinds, abi.leaseTypes].map((table) => Object.values(table)))
    assert.is(new Set(numbers).size, numbers.length);
  for (const flags of [abi.fdFlags, abi.nicFlags].map((table): number[] => Object.values(table)))
    assert.is(
      flags.reduce((all, bit) => all | bit, 0),
      2 ** flags.length - 1,
    );
});

test("the fingerprint fits a non-negative i32", () => {
  assert.is(abi.abiFingerprint(), abi.abiFingerprint() & 0x7fffffff);
});

test("native/include/sluice.h is what native/header.mjs makes of the tables", () => {
  const copy = tempFolder();
  mkdirSync(join(copy, "native/include"), { recursive: true });
  mkdirSync(join(copy, "dist/modules/core/abi"), { recursive: true });
  writeFileSync(join(copy, "package.json"), '{ "type": "module" }');
  for (const path of [
    "native/header.mjs",
    ...["abi/abi", "abi/records", "ring", "error", "abi/errno"].map((name) => `dist/modules/core/${name}.js`),
  ])
    copyFileSync(join(root, path), join(copy, path));
  execFileSync(process.execPath, [join(copy, "native/header.mjs")], { stdio: "pipe" });
  const [kept, made] = [root, copy].map((folder) => readFileSync(join(folder, "native/include/sluice.h"), "utf8"));
  assert.ok(kept === made, "the header is stale: npm run build:native makes it anew");
});

test.run();
