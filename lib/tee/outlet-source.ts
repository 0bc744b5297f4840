/** The read end of a pipe that the engine fills, as the source of one target's transfer. */
import type { Native } from "../../core/abi/abi.ts";
import { FdSource } from "../ends/fd-source.ts";

/** Closes the pipe with the transfer: that is how the engine learns that nobody reads it any more. */
export class OutletSource extends FdSource {
  readonly #native: Native;
  readonly #fd: number;

  constructor(native: Native, fd: number) {
    super(fd);
    this.#native = native;
    this.#fd = fd;
  }

  override async end(): Promise<void> {
    await super.end();
    this.#native.sluice_close(this.#fd);
  }
}
