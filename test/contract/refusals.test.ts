/** What one file, or one mount, refuses says nothing of others: not to capabilities(), and not to what is tried next. */
import { execFileSync, spawnSync } from "node:child_process";
import * as fs from "node:fs";
import { basename, join } from "node:path";
import process from "node:process";
import { capabilities, type Report, type Strategy, transfer } from "sluice";
import { assert, test } from "../support/contract.ts";
import { mountFuse } from "../support/fuse.ts";
import { tempFolder } from "../support/temp.ts";
import { waitFor } from "../support/wait.ts";
import { connect } from "./support/connection.ts";
import { dataFile, KiB, MiB } from "./support/files.ts";
import { failure } from "./support/outcome.ts";

/** Throws away what comes. */
async function toSocket(path: string, options: { readonly strategy?: Strategy } = {}): Promise<Report> {
  using link = await connect();
  link.peer.resume();
  return await transfer(path, link.socket, options);
}

const env = { ...process.env, PATH: `${process.env["PATH"] ?? ""}:/usr/sbin:/sbin` };

const call = (program: string, ...args: string[]): string =>
  execFileSync(program, args, { env, stdio: "pipe" }).toString().trim();

const tried = ({ attempts }: { readonly attempts: Report["attempts"] }) => attempts.map(({ strategy }) => strategy);

test("refusals: one odd file of a mount switches nothing off", { needs: ["engine", "fuse"] }, async () => {
  const mount = mountFuse("odd");
  const [odd, plain] = [join(mount, "odd"), join(mount, "plain")];
  const folder = tempFolder();
  const forced = ["sendfile", "splice", "copyFileRange", "buffered"] as const;
  const codes = async () => {
    const all: string[] = [];
    for (const strategy of forced)
      all.push((await failure(() => transfer(odd, join(folder, "forced"), { strategy, targetOffset: 0 }))).code);
    for (const strategy of ["sendfile", "splice"] as const)
      all.push((await failure(() => toSocket(odd, { strategy }))).code);
    return all;
  };
  const known = capabilities();
  const before = await codes();
  for (let i = 0; i < 3; i++) {
    assert.is((await failure(() => toSocket(odd))).code, "ENOSYS");
    assert.is((await failure(() => transfer(odd, join(folder, `odd-${i}`)))).code, "ENOSYS");
  }
  assert.equal(capabilities(), known);
  assert.equal(await codes(), before, "the same call, the same code");
  assert.equal(tried(await toSocket(plain)), ["sendfile"]);
  const report = await transfer(plain, join(folder, "plain"));
  assert.is(report.bytes, MiB);
  assert.equal(tried(report).slice(0, 2), ["reflink", "copyFileRange"]);
});

test(
  "refusals: the same call gives the same code, before and after automatic ones",
  { needs: ["engine"] },
  async () => {
    const folder = tempFolder();
    const { path } = dataFile(folder, 100 * KiB);
    const other = dataFile(folder, 100 * KiB, 2).path;
    for (const base of [folder, "/dev/shm"]) {
      const target = join(base === folder ? folder : tempFolder(base), "target");
      for (const strategy of ["reflink", "copyFileRange", ["reflink", "copyFileRange"]] as const) {
        const outcome = () =>
          transfer(path, target, { strategy }).then(
            (report) => report.strategy,
            (error: { readonly code: string }) => error.code,
          );
        const first = await outcome();
        for (const source of [path, other]) for (let i = 0; i < 3; i++) await transfer(source, `${target}-${i}`);
        assert.is(await outcome(), first, `${String(strategy)} to ${base}`);
      }
    }
  },
);

test("refusals: one layer of an overlayfs speaks for no other", { needs: ["engine", "xfs", "overlay"] }, async () => {
  const folder = tempFolder();
  const inside = (...names: string[]) => join(folder, ...names);
  for (const name of ["lower", "upper", "mount"]) fs.mkdirSync(inside(name));
  const lowers = [1, 2, 3].map((seed) => dataFile(inside("lower"), MiB, seed).path);
  const names = lowers.map((path) => basename(path));
  call("truncate", "--size=320M", inside("image"));
  call("mkfs.xfs", "-q", inside("image"));
  call("mount", "-o", "loop", inside("image"), inside("upper"));
  let mounted: number;
  try {
    for (const name of ["files", "work"]) fs.mkdirSync(inside("upper", name));
    const layers = `lowerdir=${inside("lower")},upperdir=${inside("upper/files")},workdir=${inside("upper/work")},xino=on`;
    call("mount", "-t", "overlay", "overlay", "-o", layers, inside("mount"));
    mounted = fs.openSync(inside("mount"), "r");
    call("umount", "--lazy", inside("mount"));
  } finally {
    call("umount", "--lazy", inside("upper"));
  }
  const at = (name: string) => `/proc/self/fd/${mounted}/${name}`;
  const copy = async (name: string) => tried(await transfer(at(name), at(`${name}-copy`)));
  for (const name of names) assert.is((await copy(name))[0], "reflink");
  for (const name of names) assert.equal(await copy(`${name}-copy`), ["reflink"]);
  for (const name of names) assert.is((await copy(name))[0], "reflink");
  fs.closeSync(mounted);
});

test(
  "refusals: the next filesystem on a loop device is asked anew",
  { needs: ["engine", "xfs"], alone: true, timeoutMs: 60_000 },
  async () => {
    const folder = tempFolder();
    const image = (reflink: 0 | 1): string => {
      const path = join(folder, `image-${reflink}`);
      fs.writeFileSync(path, "");
      fs.truncateSync(path, 320 * MiB);
      call("mkfs.xfs", "-q", "-m", `reflink=${reflink}`, path);
      return path;
    };
    const point = join(folder, "mount");
    fs.mkdirSync(point);
    const images = [image(0), image(1)];
    const device = call("losetup", "--find", "--show", images[0] ?? "");
    try {
      const met: [device: number, first: Strategy | undefined][] = [];
      for (const path of images) {
        call("losetup", "--detach", device);
        // Another test may have been given it in between.
        await waitFor("the device to be free", () => spawnSync("losetup", [device, path]).status === 0);
        call("mount", device, point);
        try {
          const sources = [1, 2, 3].map((seed) => dataFile(point, MiB, seed).path);
          let last: Report | undefined;
          for (const source of sources) last = await transfer(source, `${source}-copy`);
          met.push([fs.statSync(point).dev, last?.attempts[0]?.strategy]);
        } finally {
          call("umount", point);
        }
      }
      const [plain, sharing] = met;
      assert.is(plain?.[0], sharing?.[0], "one device");
      assert.equal([plain?.[1], sharing?.[1]], ["copyFileRange", "reflink"]);
    } finally {
      call("losetup", "--detach", device);
    }
  },
);
