/** Where what is built lies: beside the bundle and its modules, or in dist/ where Deno runs the sources. */
const folders = ["../../", "../dist/"] as const;

/** The places in which a built file can be, the likeliest first. */
export const builtPlaces = (path: string): readonly URL[] =>
  folders.map((folder) => new URL(`${folder}${path}`, import.meta.url));
