/** A folder to be served, and whether its file is closed. */
import { assert } from "../../support/contract.ts";
import { openDescriptors } from "../../support/fds.ts";
import { tempFolder } from "../../support/temp.ts";
import { settles } from "../../support/wait.ts";
import { dataFile } from "./files.ts";

export interface Site {
  readonly root: string;
  readonly name: string;
  readonly path: string;
  readonly content: Buffer;
  assertClosed(): Promise<void>;
}

/** A folder with one file in it. */
export function site(size: number): Site {
  const root = tempFolder();
  const { path, content } = dataFile(root, size);
  const open = () => openDescriptors().filter((name) => name.includes(root));
  return {
    root,
    name: path.slice(root.length),
    path,
    content,
    async assertClosed() {
      await settles(() => open().length === 0);
      assert.equal(open(), []);
    },
  };
}
