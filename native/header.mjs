// Writes native/include/sluice.h from core/abi/abi.ts and core/abi/records.ts, the one place where the ABI is described.
import { readFileSync, writeFileSync } from "node:fs";
import * as abi from "../dist/modules/core/abi/abi.js";
import { errnoNames, errnoNumber } from "../dist/modules/core/abi/errno.js";
import { recordSize, records } from "../dist/modules/core/abi/records.js";
import * as ring from "../dist/modules/core/ring.js";

const target = new URL("include/sluice.h", import.meta.url);

const upper = (name) => name.replace(/[A-Z]/g, (letter) => `_${letter}`).toUpperCase();
const cType = {
  i32: "int32_t",
  u32: "uint32_t",
  i64: "int64_t",
  buffer: "void *",
};
const parameter = (type, name) => cType[type] + (cType[type].endsWith("*") ? "" : " ") + name;

const enumeration = (prefix, values) =>
  `enum {\n${Object.entries(values)
    .map(([name, value]) => `    SLUICE_${prefix}${upper(name)} = ${value},`)
    .join("\n")}\n};\n`;

const structure = ([name, fields]) => {
  const body = Object.entries(fields)
    .map(([field, type]) => `    ${cType[type]} ${field};`)
    .join("\n");
  return `struct sluice_${name} {\n${body}\n};\n_Static_assert(sizeof(struct sluice_${name}) == ${recordSize(name)}, "sluice_${name}");\n`;
};

const errnoAssertion = (name) => `_Static_assert(${name} == ${errnoNumber(name)}, "${name}");\n`;

const prototype = ([name, { args, names, doc }]) =>
  `/* ${doc} */\nSLUICE_EXPORT int32_t ${name}(${args.map((type, i) => parameter(type, names[i])).join(", ") || "void"});\n`;

const header = `/* Made from core/abi/abi.ts and core/abi/records.ts by native/header.mjs. Change them there. */
#ifndef SLUICE_H
#define SLUICE_H

#include <errno.h>
#include <stdint.h>

#define SLUICE_ABI_FINGERPRINT ${abi.abiFingerprint()}

/* The library is built with hidden visibility: only what bears this mark leaves it. */
#define SLUICE_EXPORT __attribute__((visibility("default")))

/* Mechanisms. */
${enumeration("", abi.opcodes)}
/* How an attempt ended. */
${enumeration("END_", abi.ends)}
/* Which end an error is about. */
${enumeration("SIDE_", abi.sides)}
/* What a descriptor is. */
${enumeration("KIND_", abi.fdKinds)}
${enumeration("FD_", abi.fdFlags)}
${enumeration("NIC_", abi.nicFlags)}
${enumeration("ADVICE_", abi.advices)}
${enumeration("LEASE_", abi.leaseTypes)}
${enumeration("LEASE_", abi.leaseStates)}
${enumeration("LOCK_", abi.lockTypes)}
${enumeration("REQUEST_", abi.requestFlags)}
${enumeration("OPEN_", abi.openFlags)}
${enumeration("PAIR_END_", abi.pairEnds)}
${enumeration("PAIR_", abi.pairFlags)}
${enumeration("COPY_", abi.copyNotices)}
/* The shared ring: what two processes agree on. */
#define SLUICE_RING_MAGIC "${ring.ringMagic}"
enum { SLUICE_RING_VERSION = ${ring.ringVersion} };
${enumeration("RING_AT_", ring.ringLayout)}
${enumeration("RING_", ring.ringParties)}
${enumeration("RING_LIMIT_", ring.ringLimits)}
/* Limits, in bytes. */
${enumeration("", abi.limits)}
${Object.entries(records).map(structure).join("\n")}
/* The errnos that JavaScript knows by name (core/abi/errno.ts) have these numbers here. */
${errnoNames.map(errnoAssertion).join("")}
/* Every function returns zero or a positive answer, or a negative errno. */

${Object.entries(abi.symbols).map(prototype).join("\n")}
#endif
`;

let current = "";
try {
  current = readFileSync(target, "utf8");
} catch (error) {
  if (error.code !== "ENOENT") throw error;
}
if (current !== header) writeFileSync(target, header);
