/** Memory for what crosses the FFI. */

/** A record of the ABI in memory of ours. */
export class RecordMemory {
  readonly bytes: Uint8Array;
  readonly view: DataView;
  constructor(size: number) {
    this.bytes = new Uint8Array(size);
    this.view = new DataView(this.bytes.buffer);
  }
}
