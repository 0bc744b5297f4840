/** Makes and replaces files in a folder by every way, and prints what became of them. Arguments: the folder, the source. */
import * as fs from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { copyFile, explain, transfer, TransferError, type TransferOptions } from "sluice";

const [, , folder = "", source = ""] = process.argv;
const content = fs.readFileSync(source);

/** Asked about first, which must not refuse what can be done. */
async function explained(to: string, options: TransferOptions): Promise<unknown> {
  await explain(source, to, options);
  return transfer(source, to, options);
}

const ways: Readonly<Record<string, (to: string) => Promise<unknown>>> = {
  copy: (to) => copyFile(source, to),
  durable: (to) => copyFile(source, to, { durable: true }),
  atomic: (to) => explained(to, { atomic: true, durable: true }),
  emptied: (to) => explained(to, {}),
  saved: (to) => explained(to, { consistency: "snapshot" }),
  once: (to) => copyFile(source, to, { overwrite: false }),
};

const told: Record<string, string> = {};
for (const [name, way] of Object.entries(ways)) {
  const target = join(folder, name);
  for (const time of ["new", "old"]) {
    const code = await way(target).then(
      () => "made",
      (error: unknown) => (error instanceof TransferError ? error.code : String(error)),
    );
    told[`${name} ${time}`] = fs.readFileSync(target).equals(content) ? code : `${code}, and it is wrong`;
    if (time === "new" && name !== "once") fs.writeFileSync(target, "old", { mode: 0o640 });
  }
}
console.log(JSON.stringify({ told, names: fs.readdirSync(folder).sort() }));
