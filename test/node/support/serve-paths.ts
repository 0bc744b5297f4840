/** Asks for files beneath a folder, and prints the status and text of each answer. Needs to read the folder, nothing else. */
import process from "node:process";
import { file } from "sluice/fetch";

const [root = "", ...paths] = process.argv.slice(2);
const told: Record<string, string> = {};
for (const path of paths) {
  const answer = await file(new Request("http://site.test/"), path, { root });
  told[path] = `${answer.status} ${await answer.text()}`.trim();
}
console.log(JSON.stringify(told));
