/**
 * Where the package's own files lie. Nothing is looked for outside of it: whoever can write there would own the process.
 *
 * The URLs are literal, one a platform: bundlers and tracers (webpack, Turbopack, nft) find the files by them, and put
 * their own URL in the place. The bundle in dist/lib/shared and the modules in dist/modules/lib lie equally deep.
 */

const libraries: Readonly<Record<string, URL | undefined>> = {
  // Getters, for a bundle that is CommonJS has no URL. nft follows these, and no arrow functions.
  get "linux-x64"() {
    return new URL("../../native/linux-x64/libsluice.so", import.meta.url);
  },
  get "linux-arm64"() {
    return new URL("../../native/linux-arm64/libsluice.so", import.meta.url);
  },
};

/** This module's own URL; a bundle that is CommonJS has none. */
const own: string | undefined = import.meta.url;

const pathOf = (platform: string): string => `native/${platform}/libsluice.so`;

/** The URL that a bundler has put in the place of the literal one, where it has carried the file along. */
function carried(platform: string): URL | undefined {
  if (own?.startsWith("file:") !== true) return undefined;
  const literal = libraries[platform];
  return literal?.href === new URL(`../../${pathOf(platform)}`, own).href ? undefined : literal;
}

/** dist/ of the package, or why there is none. */
function ownFolder(): URL | string {
  if (own === undefined) return "sluice was bundled into CommonJS, which leaves its files behind";
  if (!own.startsWith("file:")) return `sluice was loaded from ${new URL(own).origin}, which has no files beside it`;
  // Deno runs the sources, from lib/.
  if (own.endsWith("/lib/built.ts")) return new URL("../dist/", own);
  // Another bundle lies anywhere, or says where it was made (webpack): what is beside that is not ours.
  const isOurs = /\/dist\/(?:lib\/shared\/sluice-[\w-]+|modules\/lib\/built)\.js$/.test(own);
  return isOurs && carried("linux-x64") === undefined ? new URL("../../", own) : "sluice was bundled without its files";
}

/** The place of a file of dist/, or why there is none. */
export function builtFile(path: string): URL | string {
  const folder = ownFolder();
  return typeof folder === "string" ? folder : new URL(path, folder);
}

/** The place of the native library, or why there is none. */
export function builtLibrary(platform: string): URL | string {
  if (!Object.hasOwn(libraries, platform)) return `there is no library for ${platform}`;
  const place = carried(platform) ?? builtFile(pathOf(platform));
  return typeof place === "string" ? `${place}: keep sluice out of the bundle, or set SLUICE_LIBRARY` : place;
}
