// Adds to package-lock.json the optional packages of other platforms that a registry's mirror did not serve when
// the lock was made: without them `npm ci` calls the lock out of sync. Run it after `npm install` behind such a mirror.
import { readFileSync, writeFileSync } from "node:fs";

const path = new URL("../package-lock.json", import.meta.url);
const lock = JSON.parse(readFileSync(path, "utf8"));

/** What the parts of a platform package's name say, by the field of the lock that holds it. */
const words = {
  os: ["darwin", "linux", "win32", "android", "freebsd", "openbsd", "netbsd", "sunos", "aix", "openharmony"],
  cpu: ["x64", "arm64", "ia32", "arm", "ppc64", "riscv64", "s390x", "loong64", "mips64el", "wasm32"],
};
const aliases = { windows: "win32", aarch64: "arm64" };

function platform(name) {
  const parts = name.split(/[/_-]/).map((part) => aliases[part] ?? part);
  const found = (field) => parts.find((part) => words[field].includes(part));
  const musl = parts.some((part) => part.startsWith("musl"));
  const glibc = parts.some((part) => part.startsWith("gnu") || part === "glibc");
  return { os: found("os"), cpu: found("cpu"), libc: musl ? "musl" : glibc ? "glibc" : undefined };
}

for (const entry of Object.values({ ...lock.packages })) {
  for (const [name, version] of Object.entries(entry.optionalDependencies ?? {})) {
    const key = `node_modules/${name}`;
    const { os, cpu, libc } = platform(name);
    if (lock.packages[key] || !os || !cpu) continue;
    const linuxLibc = os === "linux" && libc ? { libc: [libc] } : {};
    lock.packages[key] = {
      version,
      cpu: [cpu],
      ...(entry.dev && { dev: true }),
      ...linuxLibc,
      optional: true,
      os: [os],
    };
  }
}
lock.packages = Object.fromEntries(Object.entries(lock.packages).sort(([a], [b]) => (a < b ? -1 : 1)));
writeFileSync(path, `${JSON.stringify(lock, null, 2)}\n`);
