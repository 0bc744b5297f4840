/** The world `plugin`: sluice:transfer/transfer on what a host lends of its engine. */
import { capabilities, copyFile, explain, transfer as move } from "sluice:transfer/native@0.1.0";
import type * as Transfer from "sluice:transfer/transfer@0.1.0";
import type { Error as WitError, TransferOptions } from "sluice:transfer/types@0.1.0";
import { checkedCount, errorCase, guestDialect } from "#core/wasi/component.js";

/** What a call of the host throws holds a case of the variant already; what this guest finds is made one. */
function answering<T>(work: () => T): T {
  try {
    return work();
  } catch (thrown) {
    const isAnswer = typeof thrown === "object" && thrown !== null && "payload" in thrown;
    const error: WitError = isAnswer ? (thrown.payload as WitError) : errorCase(thrown, guestDialect);
    // The value of the variant itself is what the ABI takes: an Error would be a trap.
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

export const transfer: typeof Transfer = {
  transfer: (source, target, options) => answering(() => move(source, target, checked(options))),
  copyFile: (source, target, options) => answering(() => copyFile(source, target, options)),
  explain: (source, target, options) => answering(() => explain(source, target, checked(options))),
  capabilities,
};
