/** @module Interface sluice:transfer/native@0.1.0 **/
/**
 * Opens a path such as "/data/log.bin", whose root the host has lent under the name "/data".
 */
export function open(path: string, mode: OpenMode): Handle;
/**
 * Moves a range of a file into another, by their paths. A target that was made in vain is taken away again.
 */
export function transfer(source: string, target: string, options: TransferOptions): Report;
/**
 * Says what `transfer` would do. Nothing is created, emptied or moved.
 */
export function explain(source: string, target: string, options: TransferOptions): Explanation;
/**
 * Copies a regular file: the target is its old self or the complete copy, whatever happens.
 */
export function copyFile(source: string, target: string, options: CopyOptions): Report;
export function capabilities(): CapabilityReport;
export type Error = import('./sluice-transfer-types.d.ts').Error;
export type TransferOptions = import('./sluice-transfer-types.d.ts').TransferOptions;
export type CopyOptions = import('./sluice-transfer-types.d.ts').CopyOptions;
export type Report = import('./sluice-transfer-types.d.ts').Report;
export type Explanation = import('./sluice-transfer-types.d.ts').Explanation;
export type CapabilityReport = import('./sluice-transfer-types.d.ts').CapabilityReport;
/**
 * # Variants
 *
 * ## `"read"`
 *
 * An existing regular file, to be read.
 * ## `"write"`
 *
 * A regular file to be read and written, created if need be. Its content stays until it is overwritten.
 */
export type OpenMode = 'read' | 'write';

export class Handle {
  /**
   * This type does not have a public constructor.
   */
  private constructor();
  size(): bigint;
  /**
  * Bytes at an offset: fewer than asked for at the end of the file and beyond the host's limit, none past the end.
  */
  read(offset: bigint, length: bigint): Uint8Array;
  /**
  * Writes all of the bytes at an offset.
  */
  write(offset: bigint, bytes: Uint8Array): void;
  /**
  * Cuts the file, or lengthens it by a hole.
  */
  setSize(size: bigint): void;
  /**
  * Moves a range of this file into another. With no target-offset it is emptied first, and written from
  * its start.
  */
  transferTo(target: Handle, options: TransferOptions): Report;
}
