/** Ctrl-C and SIGTERM as an AbortSignal, so that a transfer can end cleanly and tell how far it came. */
import process from "node:process";

export type Interrupt = "SIGINT" | "SIGTERM";

const interrupts: readonly Interrupt[] = ["SIGINT", "SIGTERM"];

export interface Interruption {
  readonly signal: AbortSignal;
  /** The signal that arrived, if one did. */
  received(): Interrupt | undefined;
  /** Gives the signals back to the system. */
  stop(): void;
}

/** Aborts at the first signal. A second one ends the process at once, as if nobody listened. */
export function listenForInterrupt(): Interruption {
  const controller = new AbortController();
  let received: Interrupt | undefined;
  const stop = () => {
    for (const name of interrupts) process.removeListener(name, interrupted);
  };
  const interrupted = (name: NodeJS.Signals) => {
    received = interrupts.find((known) => known === name);
    stop();
    controller.abort();
  };
  for (const name of interrupts) process.on(name, interrupted);
  return { signal: controller.signal, received: () => received, stop };
}
