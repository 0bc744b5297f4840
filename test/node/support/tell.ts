/** Prints, as JSON, what this process has of an engine and what it does with FILE. */
import * as fs from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { capabilities, copyFile, transfer } from "sluice";
import { arrivals } from "../../contract/support/connection.ts";
import { sha256 } from "../../support/data.ts";
import { tempFolder } from "../../support/temp.ts";

const file = process.argv[2] ?? "";
const { result, received } = await arrivals((socket) => transfer(file, socket));
const forced = await transfer(file, "/dev/null", { strategy: "splice" }).then(
  ({ strategy }) => strategy,
  (error: { code: string }) => error.code,
);
const copy = join(tempFolder(), "copy");
await copyFile(file, copy);
console.log(
  JSON.stringify({
    engine: capabilities().engine,
    strategy: result.strategy,
    copied: result.copied,
    sha256: sha256(received),
    forced,
    copy: fs.readFileSync(copy).equals(received),
  }),
);
