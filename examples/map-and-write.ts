/**
 * Copies a file through a mapping, as the Java program with `FileChannel.map` and `write` does:
 * `node build/examples/map-and-write.js FROM TO`
 */
import { constants } from "node:fs";
import process from "node:process";
import { openFile } from "sluice";

const [from = "jay.txt", to = "siting.txt"] = process.argv.slice(2);

await using readChannel = await openFile(from);
await using writeChannel = await openFile(to, constants.O_WRONLY | constants.O_CREAT);
using data = readChannel.map("read", 0, Math.min(await readChannel.size(), 40 * 1024 * 1024));
await writeChannel.write(data.bytes);
// Zeros take the place of what somebody truncates meanwhile.
data.check();
