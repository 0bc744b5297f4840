/** Maps a file, or doesn't, has a fault of its own handled, and then has a signal sent to itself. */
import { spawnSync } from "node:child_process";
import { truncateSync } from "node:fs";
import process from "node:process";
import { map } from "sluice";

const [path = "", mapped, signal = ""] = process.argv.slice(2);

function useGuard(): void {
  truncateSync(path, 100_000);
  const file = map(path);
  truncateSync(path, 0);
  if (file.bytes[5] !== 0 || file.truncated !== 0) process.exit(98);
}

if (mapped === "mapped") useGuard();
// By another process: what a runtime's own kill() can send differs.
spawnSync("kill", ["-s", signal.replace("SIG", ""), String(process.pid)]);
// A moment later; a runtime that takes no notice goes on, and so does the guard.
setTimeout(() => {
  if (mapped === "mapped") useGuard();
  process.exit(0);
}, 500);
