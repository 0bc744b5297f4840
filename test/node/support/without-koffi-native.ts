/** Makes koffi find no native part, as where npm has left out koffi's own optional dependencies. */
import fs from "node:fs";
import Module, { syncBuiltinESMExports } from "node:module";

interface Internals {
  _resolveFilename(request: string, ...rest: unknown[]): string;
}

const internals = Module as unknown as Internals;
const resolveFilename = internals._resolveFilename;
internals._resolveFilename = (request, ...rest) => {
  if (!request.includes("@koromix/")) return resolveFilename.call(Module, request, ...rest);
  throw Object.assign(new Error(`Cannot find module '${request}'`), { code: "MODULE_NOT_FOUND" });
};
const { existsSync } = fs;
fs.existsSync = (path) => !/koffi.*\.node$|@koromix/.test(String(path)) && existsSync(path);
syncBuiltinESMExports();
