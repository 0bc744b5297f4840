/**
 * What else a component on QuickJS imports of WASI 0.2: clocks, a seed, where to complain. No arguments, no environment,
 * no input; streams of files are not made, so nothing waits here.
 */
import process from "node:process";
import { Answer } from "./answer.ts";

/** There is no input: one can only be let go of. */
class InputStream {
  [Symbol.dispose](): void {}
}

class Pollable {
  block(): void {}
}

type StreamError = { tag: "closed" };

/** A stream to whoever listens; text is passed on as it comes. */
class OutputStream {
  readonly #listen: ((bytes: Uint8Array) => void) | undefined;

  constructor(listen: (bytes: Uint8Array) => void) {
    this.#listen = listen;
  }

  static #of(stream: OutputStream): (bytes: Uint8Array) => void {
    const listen = #listen in stream ? stream.#listen : undefined;
    if (listen === undefined) throw new Answer<StreamError>({ tag: "closed" });
    return listen;
  }

  checkWrite(): bigint {
    OutputStream.#of(this);
    return 4096n;
  }

  write(bytes: Uint8Array): void {
    OutputStream.#of(this)(bytes);
  }

  blockingWriteAndFlush(bytes: Uint8Array): void {
    OutputStream.#of(this)(bytes);
  }

  flush(): void {}
  blockingFlush(): void {}

  subscribe(): Pollable {
    return new Pollable();
  }
}

class WasiError {
  toDebugString(): string {
    return "an error of WASI";
  }
}

class TerminalInput extends InputStream {}
class TerminalOutput extends InputStream {}

const billion = 1_000_000_000n;
const nothing = (): undefined => undefined;

/** A guest that ends itself is a guest that fails: there is no process of its own to end. */
function exit(): never {
  throw new Error("the guest called exit()");
}

function seed(): [bigint, bigint] {
  const [low = 0n, high = 0n] = crypto.getRandomValues(new BigUint64Array(2));
  return [low, high];
}

/** `complain` is told what the guest writes to its output and error streams. */
export function hostImports(complain: (bytes: Uint8Array) => void): Readonly<Record<string, unknown>> {
  const output = () => new OutputStream(complain);
  return {
    "wasi:cli/environment": { getEnvironment: () => [], getArguments: () => [], initialCwd: nothing },
    "wasi:cli/exit": { exit },
    "wasi:cli/stdin": { getStdin: () => new InputStream() },
    "wasi:cli/stdout": { getStdout: output },
    "wasi:cli/stderr": { getStderr: output },
    "wasi:cli/terminal-input": { TerminalInput },
    "wasi:cli/terminal-output": { TerminalOutput },
    "wasi:cli/terminal-stdin": { getTerminalStdin: nothing },
    "wasi:cli/terminal-stdout": { getTerminalStdout: nothing },
    "wasi:cli/terminal-stderr": { getTerminalStderr: nothing },
    "wasi:clocks/monotonic-clock": {
      now: () => process.hrtime.bigint(),
      resolution: () => 1n,
      subscribeInstant: () => new Pollable(),
      subscribeDuration: () => new Pollable(),
    },
    "wasi:clocks/wall-clock": {
      now: () => {
        const ns = BigInt(Date.now()) * 1_000_000n;
        return { seconds: ns / billion, nanoseconds: Number(ns % billion) };
      },
      resolution: () => ({ seconds: 0n, nanoseconds: 1_000_000 }),
    },
    "wasi:io/error": { Error: WasiError },
    "wasi:io/poll": { Pollable, poll: (list: readonly unknown[]) => Uint32Array.from(list, (_, index) => index) },
    "wasi:io/streams": { InputStream, OutputStream },
    "wasi:random/insecure-seed": { insecureSeed: seed },
    "wasi:random/random": {
      getRandomBytes: (length: bigint) =>
        crypto.getRandomValues(new Uint8Array(Number(length < 65536n ? length : 65536n))),
      getRandomU64: () => seed()[0],
    },
  };
}
