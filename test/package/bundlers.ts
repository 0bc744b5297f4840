/** Bundlers, package and process managers, test runners and proxies at fixed versions, fetched once into node_modules/.cache. */
import { existsSync, mkdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { type Ended, runChild } from "../support/child.ts";
import { root } from "../support/root.ts";

/** What is asked for by one test or another. A new version is a new folder. */
const packages = {
  bundlers: {
    webpack: "5.113.0",
    "webpack-cli": "7.3.1",
    esbuild: "0.28.2",
    rollup: "4.68.8",
    vite: "8.4.0",
    "@vercel/ncc": "0.45.0",
    "@vercel/nft": "1.11.5",
    postject: "1.0.0-alpha.6",
  },
  managers: { pnpm: "10.34.8", "@yarnpkg/cli-dist": "4.18.1" },
  pm2: { pm2: "7.0.4" },
  runners: { jest: "30.5.2", vitest: "4.1.12" },
  proxies: {
    "http-proxy-middleware": "4.2.2",
    "express-http-proxy": "2.1.2",
    "@fastify/http-proxy": "11.6.3",
    "fast-proxy": "2.2.0",
    multer: "2.5.0",
  },
  next: { next: "16.4.6", react: "19.3.1", "react-dom": "19.3.1" },
} as const;

const limitMs = 300_000;

/** The folder that has them in its node_modules, or why there is none. */
export async function fetchTools(name: keyof typeof packages): Promise<{ folder: string } | { reason: string }> {
  const wanted = Object.entries(packages[name]).map(([tool, version]) => `${tool}@${version}`);
  const folder = join(root, "node_modules/.cache/sluice", `${name}-${wanted[0]?.split("@").at(-1)}`);
  if (existsSync(folder)) return { folder };
  const draft = `${folder}.${process.pid}`;
  mkdirSync(draft, { recursive: true });
  try {
    writeFileSync(join(draft, "package.json"), JSON.stringify({ private: true }));
    const usual = ["--ignore-scripts", "--no-audit", "--no-fund", "--prefer-offline"];
    const { code, output } = await runChild(["npm", "install", "--prefix", draft, ...usual, ...wanted], limitMs);
    if (code !== 0) return { reason: `npm could not fetch ${name}: ${output.trim().split("\n").at(-1)}` };
    // Another test may have fetched them meanwhile.
    if (!existsSync(folder)) renameSync(draft, folder);
    return { folder };
  } finally {
    rmSync(draft, { recursive: true, force: true });
  }
}

/** Runs a command in a folder. */
export function runIn(folder: string, command: readonly string[], env: NodeJS.ProcessEnv = {}): Promise<Ended> {
  return runChild(["env", "-C", folder, ...command], limitMs, { ...process.env, ...env });
}
