/** A folder to serve, with links that stay in it and links that leave it, and what is answered. */
import * as fs from "node:fs";
import { join } from "node:path";
import { tempFolder } from "../../support/temp.ts";

export function servedFolder(): string {
  const base = tempFolder();
  const root = join(base, "root");
  fs.mkdirSync(join(root, "sub"), { recursive: true });
  fs.writeFileSync(join(base, "secret.txt"), "secret");
  fs.writeFileSync(join(root, "sub/inside.txt"), "inside");
  fs.symlinkSync("sub/inside.txt", join(root, "link"));
  fs.symlinkSync("../secret.txt", join(root, "out"));
  fs.symlinkSync(join(base, "secret.txt"), join(root, "absolute-out"));
  return root;
}

export const served: Readonly<Record<string, string>> = {
  "/sub/inside.txt": "200 inside",
  "/link": "200 inside",
  "/out": "404 Not Found",
  "/absolute-out": "404 Not Found",
  "/sub": "404 Not Found",
  "/none": "404 Not Found",
};
