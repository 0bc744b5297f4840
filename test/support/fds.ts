/** Counting descriptors: nothing may be left open. */
import { readdirSync, readlinkSync } from "node:fs";
import process from "node:process";
import * as assert from "uvu/assert";
import { assertAlone } from "./contract.ts";
import { atRest, settles } from "./wait.ts";

// Deno opens its sockets for signals some 350 ms after it has started, in the middle of a test: let it do so now.
const ignore = () => {};
process.on("SIGUSR2", ignore).off("SIGUSR2", ignore);

export interface FdCensus {
  /** Asserts that the same things are open as when the census was taken, once what is closing has closed. */
  assertUnchanged(): Promise<void>;
}

/**
 * Notes what this process has open, once what is closing has closed. Take it after a first transfer of the same sort:
 * the library opens its own epoll instance, wake-up and pooled pipes once and keeps them.
 */
export function takeFdCensus(): Promise<FdCensus> {
  return censusOf(openDescriptors);
}

/** The same without pipes: the pool has one the less for every transfer that ended with bytes in its pipe. */
export function takeFdCensusWithoutPipes(): Promise<FdCensus> {
  return censusOf(() => openDescriptors().filter((link) => link !== "pipe"));
}

async function censusOf(open: () => string[]): Promise<FdCensus> {
  assertAlone("Counting descriptors");
  const list = () => open().join("\n");
  await atRest(list);
  const before = open();
  return {
    async assertUnchanged() {
      await settles(() => list() === before.join("\n"));
      assert.equal(open(), before, "descriptors are open that were not, or the reverse");
    },
  };
}

/** What is open, sorted: "pipe" or "socket" without its number, since a pooled pipe may be replaced by another. */
export function openDescriptors(): string[] {
  // A runtime's own caches come and go as it pleases.
  const isCache = (link: string) => /\/\.cache\//.test(link);
  const links = readdirSync("/proc/self/fd").flatMap((name) => {
    try {
      return [readlinkSync(`/proc/self/fd/${name}`).replace(/:\[\d+\]$/, "")];
    } catch {
      // The descriptor that listed the folder is closed by now.
      return [];
    }
  });
  return links.filter((link) => !isCache(link)).sort();
}
