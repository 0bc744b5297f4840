/** @module Interface sluice:transfer/transfer@0.1.0 **/
/**
 * Moves a range of a file into another file.
 */
export function transfer(source: string, target: string, options: TransferOptions): Report;
/**
 * Copies a regular file: the target is its old self or the complete copy, whatever happens.
 */
export function copyFile(source: string, target: string, options: CopyOptions): Report;
/**
 * Says what `transfer` would do. Nothing is created, emptied or moved.
 */
export function explain(source: string, target: string, options: TransferOptions): Explanation;
export function capabilities(): CapabilityReport;
export type Error = import('./sluice-transfer-types.d.ts').Error;
export type TransferOptions = import('./sluice-transfer-types.d.ts').TransferOptions;
export type CopyOptions = import('./sluice-transfer-types.d.ts').CopyOptions;
export type Report = import('./sluice-transfer-types.d.ts').Report;
export type Explanation = import('./sluice-transfer-types.d.ts').Explanation;
export type CapabilityReport = import('./sluice-transfer-types.d.ts').CapabilityReport;
