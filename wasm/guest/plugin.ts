/** The world `plugin`: sluice:transfer/transfer on what a host lends of its engine. Numbers are checked on both sides. */
import { capabilities, copyFile, type Handle, open } from "sluice:transfer/native@0.1.0";
import type * as Transfer from "sluice:transfer/transfer@0.1.0";
import type { Error as WitError, TransferOptions } from "sluice:transfer/types@0.1.0";
import { checkedCount, errorCase, guestDialect } from "#core/component.js";

/** What a call of the host throws is a case of the variant already, and passed on; what this guest finds is made one. */
function answering<T>(work: () => T): T {
  try {
    return work();
  } catch (thrown) {
    const isCase = typeof thrown === "object" && thrown !== null && "tag" in thrown;
    const error = isCase ? (thrown as WitError) : errorCase(thrown, guestDialect);
    // oxlint-disable-next-line no-throw-literal
    throw error;
  }
}

/** A number beyond 2^53, or below zero, would be a trap at the wall to the host. */
function checked(options: TransferOptions): TransferOptions {
  const { offset, length, targetOffset } = options;
  checkedCount("offset", offset);
  if (length !== null) checkedCount("length", length);
  if (targetOffset !== null) checkedCount("target-offset", targetOffset);
  return options;
}

function between<T>(source: string, target: string, work: (from: Handle, to: Handle) => T): T {
  const from = open(source, "read");
  try {
    const to = open(target, "write");
    try {
      return work(from, to);
    } finally {
      to[Symbol.dispose]();
    }
  } finally {
    from[Symbol.dispose]();
  }
}

export const transfer: typeof Transfer = {
  transfer: (source, target, options) =>
    answering(() => {
      const request = checked(options);
      return between(source, target, (from, to) => from.transferTo(to, request));
    }),
  copyFile: (source, target, options) => answering(() => copyFile(source, target, options)),
  explain: (source, target, options) =>
    answering(() => {
      const request = checked(options);
      return between(source, target, (from, to) => from.explainTo(to, request));
    }),
  capabilities,
};
