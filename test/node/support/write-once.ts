/** Explains and makes a new file, and prints what was told and done. Arguments: the source, the target, the options. */
import process from "node:process";
import { explain, transfer, type TransferOptions } from "sluice";

const [, , source = "", target = "", given = "{}"] = process.argv;
const options = JSON.parse(given) as TransferOptions;
const { candidates } = await explain(source, target, options);
const { attempts, bytes } = await transfer(source, target, options);
console.log(JSON.stringify({ agree: candidates[0]?.strategy === attempts[0]?.strategy, bytes }));
