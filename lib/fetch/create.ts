/** `file()`, bound to one runtime. The library is loaded when the first file is asked for: importing costs nothing. */
import { loadLibrary } from "../engine/library.ts";
import type { Runtime } from "../runtime.ts";
import { type Adopt, createOpenBeneath } from "./beneath.ts";
import { createFile, type ServeFile } from "./file.ts";

export function createLazyFile(runtime: Runtime, adopt: Adopt): ServeFile {
  let file: ServeFile | undefined;
  const load = () => {
    const loaded = loadLibrary(runtime);
    return createFile(createOpenBeneath("native" in loaded ? loaded.native : loaded.reason, adopt));
  };
  return async (request, path, options) => (file ??= load())(request, path, options);
}
