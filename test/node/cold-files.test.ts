/** Files whose pages are not in memory: a disk that doesn't answer holds up nobody but those who read it. */
import { execFileSync, spawn } from "node:child_process";
import * as fs from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { transfer } from "sluice";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { arrivals, connect } from "../contract/support/connection.ts";
import { dataFile, MiB } from "../contract/support/files.ts";
import { failure, watch } from "../contract/support/outcome.ts";
import { collect, sha256 } from "../support/data.ts";
import { needs } from "../support/needs.ts";
import { tempFolder } from "../support/temp.ts";
import { waitFor } from "../support/wait.ts";

const test = suite("cold files");

const controllers = "/sys/fs/cgroup";
/** cgroup v1 has its own tree for block devices; v2 one tree whose root must offer `io` to its children. */
const isFirstVersion = fs.existsSync(join(controllers, "blkio/blkio.throttle.read_bps_device"));
const tree = isFirstVersion ? join(controllers, "blkio") : controllers;

/** Why no disk can be held up here, or undefined. */
async function whyNot(): Promise<string | undefined> {
  const missing = (await needs.root()) ?? (await needs.engine());
  if (missing !== undefined) return missing;
  const path = `${process.env["PATH"] ?? ""}:/usr/sbin:/sbin`;
  if (!path.split(":").some((folder) => fs.existsSync(join(folder, "mkfs.ext4"))))
    return "there is no mkfs.ext4 program";
  if (!fs.existsSync("/dev/loop-control")) return "there are no loop devices";
  if (isFirstVersion) return undefined;
  const offered = join(tree, "cgroup.subtree_control");
  if (!fs.existsSync(offered)) return "there are no control groups";
  return fs.readFileSync(offered, "utf8").split(/\s+/).includes("io") ? undefined : "cgroup2 does not offer io limits";
}

/** A disk of its own with cold files on it, and a valve. */
interface Disk extends Disposable {
  readonly paths: readonly string[];
  readonly content: Buffer;
  /** Lets next to nothing be read from now on. */
  hold(): void;
  release(): void;
}

/**
 * Makes an ext4 image with `count` files and mounts it, so that none of their pages are in memory. The mount is
 * detached and held by a descriptor, so that it goes with the process.
 */
function coldDisk(count: number, length: number): Disk {
  const folder = tempFolder();
  const [content, image, point] = [join(folder, "content"), join(folder, "image"), join(folder, "mount")];
  fs.mkdirSync(content);
  fs.mkdirSync(point);
  const { path, content: bytes } = dataFile(folder, length);
  const names = Array.from({ length: count }, (_, i) => `file-${i}`);
  for (const name of names) fs.copyFileSync(path, join(content, name));
  fs.writeFileSync(image, "");
  fs.truncateSync(image, count * length + 32 * MiB);
  const env = { ...process.env, PATH: `${process.env["PATH"] ?? ""}:/usr/sbin:/sbin` };
  execFileSync("mkfs.ext4", ["-q", "-d", content, image], { env, stdio: "pipe" });
  execFileSync("mount", ["-o", "loop,ro", image, point], { env, stdio: "pipe" });
  const held = fs.openSync(point, "r");
  execFileSync("umount", ["--lazy", point], { env, stdio: "pipe" });
  const { dev } = fs.fstatSync(held);
  const paths = names.map((name) => `/proc/self/fd/${held}/${name}`);
  // The inodes are read now, so that opening the files needs no disk: only their pages are cold.
  for (const each of paths) fs.statSync(each);

  const group = fs.mkdtempSync(join(tree, "sluice-"));
  const device = `${(dev >> 8) & 0xfff}:${(dev & 0xff) | ((dev >> 12) & 0xfff00)}`;
  const file = join(group, isFirstVersion ? "blkio.throttle.read_bps_device" : "io.max");
  const open = isFirstVersion ? `${device} 0` : `${device} rbps=max`;
  const shut = isFirstVersion ? `${device} 1` : `${device} rbps=1`;
  // Threads that wait for a disk survive even SIGKILL: if this process is killed, somebody has to let them go.
  const guard = spawn("sh", ["-c", 'sleep 60; echo "$0" > "$1"; sleep 1; rmdir "$2"', open, file, group], {
    detached: true,
    stdio: "ignore",
  });
  guard.unref();
  fs.writeFileSync(join(group, "cgroup.procs"), String(process.pid));
  let closed = false;
  const close = () => {
    if (closed) return;
    closed = true;
    fs.writeFileSync(file, open);
    if (guard.pid !== undefined) process.kill(-guard.pid);
    fs.writeFileSync(join(tree, "cgroup.procs"), String(process.pid));
    fs.rmdirSync(group);
    fs.closeSync(held);
  };
  process.once("exit", close);
  return {
    paths,
    content: bytes,
    hold: () => fs.writeFileSync(file, shut),
    release: () => fs.writeFileSync(file, open),
    [Symbol.dispose]: close,
  };
}

/** Threads of the engine by their name, in uninterruptible sleep: that is what waiting for a disk looks like. */
function waitingForDisk(): number {
  return fs
    .readdirSync("/proc/self/task")
    .map((id) => fs.readFileSync(`/proc/self/task/${id}/stat`, "utf8"))
    .filter((stat) => / \(sluice(-disk)?\) D /.test(stat)).length;
}

const reason = await whyNot();

function withDisk(name: string, count: number, body: (disk: Disk) => Promise<void>): void {
  if (reason !== undefined) {
    test.skip(name);
    console.log(`skip ${name}: ${reason}`);
    return;
  }
  test(name, async () => {
    using disk = coldDisk(count, 3 * MiB);
    await body(disk);
  });
}

/** The engine has at most 4 threads for sockets and 16 for disks. */
for (const count of [6, 24]) {
  withDisk(`transfer() of ${count} cold files holds up none of resident ones`, count, async (disk) => {
    const resident = dataFile(tempFolder(), 8 * MiB, 2);
    disk.hold();
    const cold = disk.paths.map((path) => arrivals((socket) => transfer(path, socket)));
    const watched = cold.map((each) => watch(each));
    await waitFor("the engine to wait for the disk", () => waitingForDisk() >= Math.min(count, 16));
    for (let i = 0; i < 8; i++) {
      const { received } = await arrivals((socket) => transfer(resident.path, socket));
      assert.ok(received.equals(resident.content));
    }
    assert.not.ok(
      watched.some(({ settled }) => settled),
      "the cold ones are under way still",
    );
    disk.release();
    for (const { received, result } of await Promise.all(cold)) {
      assert.is(result.strategy, "sendfile");
      assert.is(sha256(received), sha256(disk.content));
    }
  });
}

withDisk("transfer() of cold files settles when it is aborted", 20, async (disk) => {
  disk.hold();
  const abort = new AbortController();
  const links = await Promise.all(disk.paths.map(async () => await connect()));
  const ends = links.map(({ socket }, i) =>
    failure(() => transfer(disk.paths[i] ?? "", socket, { signal: abort.signal })),
  );
  const watched = ends.map((each) => watch(each));
  await waitFor("the engine to wait for the disk", () => waitingForDisk() === 16);
  abort.abort();
  // The kernel lets no thread go that waits for a page, so that those end when the disk answers; 4 are in the queue.
  await waitFor("those that have no thread", () => watched.filter(({ settled }) => settled).length === 4);
  disk.release();
  for (const error of await Promise.all(ends)) {
    assert.is(error.code, "ABORT_ERR");
    assert.ok(error.bytesTransferred < disk.content.length);
  }
  for (const link of links) {
    link.socket.end("usable");
    assert.is((await collect(link.peer)).subarray(-6).toString(), "usable");
    link[Symbol.dispose]();
  }
});

test.run();
