/** Sends FILE to descriptor 3 as it is or as a socket: `FILE STRATEGY KIND`. */
import { statSync } from "node:fs";
import { Socket } from "node:net";
import process from "node:process";
import { type Strategy, transfer } from "sluice";

const [file = "", strategy, kind] = process.argv.slice(2);
const target = kind === "socket" ? new Socket({ fd: 3 }) : 3;
const { bytes } = await transfer(file, target, { strategy: strategy as Strategy | "auto" });
if (bytes !== statSync(file).size) throw new Error(`It reported ${bytes} bytes`);
if (target instanceof Socket) target.end();
