/** Makes `require("koffi")` fail as it does where an optional dependency was not installed. */
import Module from "node:module";

interface Internals {
  _resolveFilename(request: string, ...rest: unknown[]): string;
}

const internals = Module as unknown as Internals;
const resolveFilename = internals._resolveFilename;
internals._resolveFilename = (request, ...rest) => {
  if (request !== "koffi") return resolveFilename.call(Module, request, ...rest);
  throw Object.assign(new Error("Cannot find module 'koffi'"), { code: "MODULE_NOT_FOUND" });
};
