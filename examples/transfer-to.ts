/**
 * Copies a file inside the kernel, as the Java program with `FileChannel.transferTo` does:
 * `node build/examples/transfer-to.js FROM TO`
 */
import { constants } from "node:fs";
import process from "node:process";
import { openFile } from "sluice";

const [from = "jay.txt", to = "siting.txt"] = process.argv.slice(2);

await using readChannel = await openFile(from);
await using writeChannel = await openFile(to, constants.O_WRONLY | constants.O_CREAT);
const length = await readChannel.size();
await readChannel.transferTo(readChannel.position, length, writeChannel);
