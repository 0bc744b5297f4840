// Writes native/include/sluice.h from core/abi, the one place where the ABI is described.
import { readFileSync, writeFileSync } from "node:fs";
import { symbols } from "../dist/modules/core/abi/abi.js";
import { errnoNames, errnoNumber } from "../dist/modules/core/abi/errno.js";
import { abiFingerprint } from "../dist/modules/core/abi/fingerprint.js";
import { limits } from "../dist/modules/core/abi/limits.js";
import * as numbers from "../dist/modules/core/abi/numbers.js";
import { recordSize, records } from "../dist/modules/core/abi/records.js";
import * as ring from "../dist/modules/core/abi/ring-layout.js";

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

const header = `/* Made from core/abi by native/header.mjs. Change it there. */
#ifndef SLUICE_H
#define SLUICE_H

#include <errno.h>
#include <stdint.h>

#define SLUICE_ABI_FINGERPRINT ${abiFingerprint()}

/* The library is built with hidden visibility: only what bears this mark leaves it. */
#define SLUICE_EXPORT __attribute__((visibility("default")))

/* Mechanisms. */
${enumeration("", numbers.opcodes)}
/* How an attempt ended. */
${enumeration("END_", numbers.ends)}
/* Which end an error is about. */
${enumeration("SIDE_", numbers.sides)}
/* What a descriptor is. */
${enumeration("KIND_", numbers.fdKinds)}
${enumeration("FD_", numbers.fdFlags)}
${enumeration("NIC_", numbers.nicFlags)}
${enumeration("ADVICE_", numbers.advices)}
${enumeration("LEASE_", numbers.leaseTypes)}
${enumeration("LEASE_", numbers.leaseStates)}
${enumeration("LOCK_", numbers.lockTypes)}
${enumeration("REQUEST_", numbers.requestFlags)}
${enumeration("OPEN_", numbers.openFlags)}
${enumeration("PAIR_END_", numbers.pairEnds)}
${enumeration("PAIR_", numbers.pairFlags)}
${enumeration("COPY_", numbers.copyNotices)}
/* The shared ring: what two processes agree on. */
#define SLUICE_RING_MAGIC "${ring.ringMagic}"
enum { SLUICE_RING_VERSION = ${ring.ringVersion} };
${enumeration("RING_AT_", ring.ringLayout)}
${enumeration("RING_", ring.ringParties)}
${enumeration("RING_LIMIT_", ring.ringLimits)}
/* Limits, in bytes. */
${enumeration("", limits)}
${Object.entries(records).map(structure).join("\n")}
/* The errnos that JavaScript knows by name (core/abi/errno.ts) have these numbers here. */
${errnoNames.map(errnoAssertion).join("")}
/* Every function returns zero or a positive answer, or a negative errno. */

${Object.entries(symbols).map(prototype).join("\n")}
#endif
`;

let current = "";
try {
  current = readFileSync(target, "utf8");
} catch (error) {
  if (error.code !== "ENOENT") throw error;
}
if (current !== header) writeFileSync(target, header);
