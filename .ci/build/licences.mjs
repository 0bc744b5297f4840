// The licences of the packages whose modules are in a bundle: who passes their code on has to pass these on, too.
import { readdirSync, readFileSync } from "node:fs";

const place = /^(.*\/node_modules\/(?:@[^/]+\/)?[^/]+)\//;

function licenceOf(folder) {
  const { name, version, license } = JSON.parse(readFileSync(`${folder}/package.json`, "utf8"));
  const files = readdirSync(folder).filter((file) => /^(licen[cs]e|notice)/i.test(file));
  if (files.length === 0) throw new Error(`${name} is bundled, and has no file with its licence`);
  const texts = files.map((file) => readFileSync(`${folder}/${file}`, "utf8").trim());
  return `${name} ${version} (${license})\n\n${texts.join("\n\n")}\n`;
}

/** Name, version and licence of the packages in these folders. */
export const licencesIn = (folders) => folders.map(licenceOf).join(`\n${"-".repeat(80)}\n\n`);

/** The same of the packages that these modules come from. */
export const licencesOf = (modules) =>
  licencesIn([...new Set(modules.flatMap((id) => place.exec(id)?.[1] ?? []))].sort());
