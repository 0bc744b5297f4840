/** What became of a transfer that was expected to fail. */
import { TransferError } from "sluice";
import * as assert from "uvu/assert";

/** The error that a call throws or rejects with; fails when there is none. */
export async function rejection(call: () => Promise<unknown>): Promise<Error & { readonly code?: string }> {
  const outcome = await call().then(
    () => undefined,
    (error: unknown) => error,
  );
  assert.instance(outcome, Error, "It was expected to fail");
  return outcome as Error;
}

/** The TransferError that a call rejects with. */
export async function failure(call: () => Promise<unknown>): Promise<TransferError> {
  const error = await rejection(call);
  if (error instanceof TransferError) return error;
  throw new Error(`Not a TransferError: ${error.stack ?? error.message}`, { cause: error });
}

/** Whether a promise has settled, as far as one may know without waiting for it. */
export function watch(promise: Promise<unknown>): { readonly settled: boolean } {
  const state = { settled: false };
  const settle = () => {
    state.settled = true;
  };
  promise.then(settle, settle);
  return state;
}

/** Lets the event loop turn for a while, so that what must not happen would have happened. */
export const aWhile = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 150));
