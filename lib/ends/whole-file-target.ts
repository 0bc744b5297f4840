/** A path as target that appears as a whole or not at all. */
import type { Native } from "../../core/abi/abi.ts";
import { asNew, type Endpoint } from "../../core/plan/endpoint.ts";
import { WholeFile } from "../copy/whole-file.ts";
import { pathOf } from "../copy/path.ts";
import { inspectFd } from "./inspect.ts";
import { lookAtWholeFile } from "./look.ts";
import type { Machine } from "../engine/machine.ts";
import type { TargetEnd } from "./target.ts";

export class WholeFileTarget implements TargetEnd {
  readonly #machine: Machine;
  readonly #durable: boolean;
  #opening: Promise<void> | undefined;
  #file: WholeFile | undefined;
  readonly path: string;
  readonly isOpen = false;
  readonly buffers = false;
  readonly idleTimeoutMs = 0;

  constructor(machine: Machine, path: string | URL, durable: boolean) {
    this.#machine = machine;
    this.#durable = durable;
    this.path = pathOf(path, "target");
  }

  get fd(): number | undefined {
    return this.#file?.handle.fd;
  }

  enter(): undefined {
    return undefined;
  }

  keep(): void {
    // Nobody else can reach it.
  }

  open(): Promise<void> {
    const options = { overwrite: true, durable: this.#durable };
    this.#opening = WholeFile.create(this.#machine, this.path, options).then((file) => {
      this.#file = file;
    });
    return this.#opening;
  }

  inspect(native: Native | string): Endpoint {
    return asNew(inspectFd(native, this.fd ?? -1, this.path));
  }

  look(machine: Machine): Promise<Endpoint> {
    return lookAtWholeFile(machine, this.path);
  }

  empty(): undefined {
    return undefined;
  }

  async write(bytes: Uint8Array, offset: number | undefined): Promise<number> {
    return (await this.#file?.handle.write(bytes, 0, bytes.byteLength, offset ?? null))?.bytesWritten ?? 0;
  }

  watch(): void {
    // Nobody else can close it.
  }

  touch(): void {
    // No time-outs here.
  }

  async commit(): Promise<void> {
    await this.#file?.publish();
  }

  async end(): Promise<void> {
    // An abort may have overtaken the opening; what comes of it is taken away all the same.
    if (this.#opening !== undefined) await Promise.allSettled([this.#opening]);
    await this.#file?.dispose();
    this.#file = undefined;
  }
}
