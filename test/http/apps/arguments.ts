/** What every app is told in its command line: `FOLDER [PACKAGE]`. */
import process from "node:process";

const [, , folderToServe = "", packageToUse = ""] = process.argv;

export { folderToServe, packageToUse };
