/** The mode of a file that takes another's place, or keeps its source's. */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { preservedMode, replacingMode } from "#core/replace.js";

const test = suite("replace");

const [owner, group, stranger] = [1000, 100, 4711];
const kept = { uid: owner, gid: group };
const octal = (mode: number) => mode.toString(8);

const table: readonly (readonly [what: string, old: number, now: typeof kept, mayKeep: boolean, expected: number])[] = [
  ["all is kept by root", 0o6755, kept, true, 0o6755],
  ["set-id bits go when a user without privileges writes", 0o6755, kept, false, 0o755],
  ["set-id bits go with the owner", 0o6755, { ...kept, uid: stranger }, true, 0o755],
  ["set-id bits go with the group", 0o6755, { ...kept, gid: stranger }, true, 0o755],
  ["a group's rights stay with the group", 0o664, { ...kept, uid: stranger }, true, 0o664],
  ["another group gets what all have", 0o664, { ...kept, gid: stranger }, true, 0o644],
  ["another group gets nothing that others have not", 0o660, { ...kept, gid: stranger }, true, 0o600],
  ["nor what others have, and the group had not", 0o606, { ...kept, gid: stranger }, true, 0o606],
  ["the sticky bit is nobody's identity", 0o1644, { ...kept, gid: stranger }, false, 0o1644],
  ["the kind of file is no part of it", 0o100644, kept, true, 0o644],
];
for (const [what, old, now, mayKeep, expected] of table)
  test(`replacingMode(): ${what}`, () =>
    assert.is(octal(replacingMode({ mode: old, ...kept }, now, mayKeep)), octal(expected)));

test("replacingMode() gives nobody but the owner more than he had, whatever the modes", () => {
  for (let mode = 0; mode <= 0o7777; mode++)
    for (const now of [kept, { ...kept, uid: stranger }, { ...kept, gid: stranger }])
      for (const mayKeep of [false, true]) {
        const got = replacingMode({ mode, ...kept }, now, mayKeep);
        assert.is(got & ~mode, 0, `${octal(mode)} became ${octal(got)}`);
        if (now !== kept) assert.is(got & 0o6000, 0);
      }
});

test("preservedMode() keeps set-id bits for the same owner and group alone", () => {
  const source = { mode: 0o106751, ...kept };
  assert.is(octal(preservedMode(source, kept)), "6751");
  assert.is(octal(preservedMode(source, { ...kept, uid: stranger })), "751");
  assert.is(octal(preservedMode(source, { ...kept, gid: stranger })), "751");
});

test.run();
