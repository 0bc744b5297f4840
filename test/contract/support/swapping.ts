/** Another process that swaps folders and files for links out of their root. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import * as fs from "node:fs";
import { dirname, join } from "node:path";

export interface Swapping {
  end(): Promise<void>;
}

/**
 * Makes "outside/page.txt" beside a root, with a secret. Swaps "swap" in the root for a link to "outside" and back, and
 * "page.txt" for a link to the secret, as fast as it can, until it is ended.
 */
export async function startSwapping(root: string, secret: string): Promise<Swapping> {
  const outside = join(dirname(root), "outside");
  fs.mkdirSync(outside);
  fs.writeFileSync(join(outside, "page.txt"), secret);
  const script = `
    cd ${JSON.stringify(root)}
    ln -s ../outside swap-link; mkdir swap-folder; echo inside > swap-folder/page.txt
    ln -s ../outside/page.txt link-out; echo inside > file-in
    echo ready
    while :; do
      mv -T swap-folder swap; mv -T swap swap-folder; mv -T swap-link swap; mv -T swap swap-link
      mv -T file-in page.txt; mv -T page.txt file-in; mv -T link-out page.txt; mv -T page.txt link-out
    done`;
  const child = spawn("bash", ["-c", script], { stdio: ["ignore", "pipe", "inherit"] });
  await once(child.stdout as NodeJS.ReadableStream, "data");
  return {
    async end() {
      child.kill("SIGKILL");
      await once(child, "close");
    },
  };
}
