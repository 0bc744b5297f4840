/** A pair of virtual Ethernet devices, the far one in a network namespace of its own. */
import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { needProgram, Unavailable } from "./programs.ts";

const run = promisify(execFile);

export interface Veth extends AsyncDisposable {
  /** Address of the near end. */
  readonly address: string;
  /** Switches the near end's scatter/gather, and with it the offloads that need it, by ethtool(8). */
  readonly setScatterGather: (on: boolean) => Promise<void>;
  /** What runs a program at the far end. */
  readonly far: readonly [command: string, ...args: string[]];
}

/**
 * Makes one.
 *
 * @throws Unavailable where ip(8) is missing or namespaces can't be made
 */
export async function openVeth(): Promise<Veth> {
  const name = `sluice-${process.pid}`;
  const [near, far] = [`sl${process.pid}a`, `sl${process.pid}b`];
  const network = `10.${200 + (process.pid % 50)}.${(process.pid >> 6) % 250}`;
  const remove = async () => {
    // The devices go with their namespace.
    await run("ip", ["netns", "delete", name]).catch(() => {});
  };
  try {
    await run("ip", ["netns", "add", name]);
    await run("ip", ["link", "add", near, "type", "veth", "peer", "name", far, "netns", name]);
    await run("ip", ["address", "add", `${network}.1/30`, "dev", near]);
    await run("ip", ["link", "set", near, "up"]);
    await run("ip", ["-n", name, "address", "add", `${network}.2/30`, "dev", far]);
    await run("ip", ["-n", name, "link", "set", far, "up"]);
  } catch (cause) {
    await remove();
    throw new Unavailable(`no veth pair: ${cause instanceof Error ? cause.message.split("\n")[1] : String(cause)}`, {
      cause,
    });
  }
  return {
    address: `${network}.1`,
    far: ["ip", "netns", "exec", name],
    async setScatterGather(on) {
      const offloads = ["sg", "tx", "tso", "gso"].flatMap((offload) => [offload, on ? "on" : "off"]);
      await run(needProgram("ethtool"), ["-K", near, ...offloads]);
    },
    [Symbol.asyncDispose]: remove,
  };
}
