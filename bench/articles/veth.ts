/** Two network namespaces with a cable between them, whose offloads can be switched: as near to a NIC as one machine gets. */
import { type ChildProcess, execFile, spawn } from "node:child_process";
import { once } from "node:events";
import process from "node:process";
import { promisify } from "node:util";
import { setTimeout as sleep } from "node:timers/promises";
import { readlinkSync } from "node:fs";
import { Unavailable } from "../support/helpers.ts";
import { needProgram } from "../support/programs.ts";

const run = promisify(execFile);

/** Addresses for documentation (RFC 5737): nobody's. */
export const senderAddress = "192.0.2.1";
const receiverAddress = "192.0.2.2";

export interface Cable {
  /** What a program is started through to be at one end. */
  readonly sender: readonly string[];
  readonly receiver: readonly string[];
  /** Scatter/gather, and with it the offloads that need it; checksums likewise. */
  readonly setScatterGather: (on: boolean) => Promise<void>;
  readonly unplug: () => void;
}

const own = () => readlinkSync("/proc/self/ns/net");

async function namespace(): Promise<ChildProcess> {
  const child = spawn("unshare", ["--net", "sleep", "600"], { stdio: "ignore" });
  const failed = once(child, "exit").then(() =>
    Promise.reject(new Unavailable("a network namespace can't be made here")),
  );
  failed.catch(() => {});
  for (let tries = 0; tries < 200; tries++) {
    await Promise.race([sleep(10), failed]);
    if (child.pid !== undefined && readlinkSync(`/proc/${child.pid}/ns/net`) !== own()) return child;
  }
  throw new Unavailable("a network namespace did not appear");
}

/** @throws Unavailable without root, iproute2 or ethtool */
export async function plug(): Promise<Cable> {
  if (process.getuid?.() !== 0) throw new Unavailable("network namespaces take root");
  for (const program of ["ip", "ethtool", "nsenter", "unshare"]) needProgram(program);
  const [a, b] = [await namespace(), await namespace()];
  const unplug = () => [a, b].forEach((one) => one.kill("SIGKILL"));
  process.once("exit", unplug);
  const into = (one: ChildProcess) => ["nsenter", "--target", String(one.pid), "--net"];
  const [sender, receiver] = [into(a), into(b)];
  const at = ([command = "", ...args]: readonly string[], ...words: string[]) => run(command, [...args, ...words]);
  try {
    await at(sender, "ip", "link", "add", "v0", "type", "veth", "peer", "name", "v1", "netns", String(b.pid));
    for (const [end, name, address] of [
      [sender, "v0", senderAddress],
      [receiver, "v1", receiverAddress],
    ] as const) {
      await at(end, "ip", "address", "add", `${address}/24`, "dev", name);
      await at(end, "ip", "link", "set", name, "up");
    }
  } catch (error) {
    unplug();
    throw new Unavailable(`a pair of virtual interfaces can't be made: ${String(error).split("\n")[0]}`, {
      cause: error,
    });
  }
  return {
    sender,
    receiver,
    async setScatterGather(on) {
      const word = on ? "on" : "off";
      await at(sender, "ethtool", "-K", "v0", "sg", word, "tx", word, "tso", word, "gso", word);
    },
    unplug,
  };
}
