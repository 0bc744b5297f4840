/** The repository, seen from a compiled test in build/test/support. */
import { fileURLToPath } from "node:url";

export const root = fileURLToPath(new URL("../../../", import.meta.url));
