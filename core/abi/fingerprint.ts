/** One number for all that the C side must agree with. */
import { symbols } from "./abi.ts";
import { limits } from "./limits.ts";
import {
  copyNotices,
  ends,
  fdFlags,
  fdKinds,
  leaseStates,
  leaseTypes,
  lockTypes,
  nicFlags,
  opcodes,
  openFlags,
  pairEnds,
  pairFlags,
  requestFlags,
  sides,
} from "./numbers.ts";
import { records } from "./records.ts";
import { ringLayout, ringLimits, ringMagic, ringParties, ringVersion } from "./ring-layout.ts";

/**
 * FNV-1a over the tables of this folder; a positive 31-bit number. Asked for when the library is
 * loaded: it takes milliseconds, which an import doesn't have.
 */
export function abiFingerprint(): number {
  const shape = Object.entries(symbols).map(([name, { args }]) => [name, args]);
  const text = JSON.stringify([
    shape,
    opcodes,
    ends,
    sides,
    fdKinds,
    fdFlags,
    nicFlags,
    leaseTypes,
    leaseStates,
    lockTypes,
    requestFlags,
    openFlags,
    pairEnds,
    pairFlags,
    copyNotices,
    records,
    limits,
    [ringMagic, ringVersion, ringLayout, ringParties, ringLimits],
  ]);
  let hash = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  return hash & 0x7fffffff;
}
