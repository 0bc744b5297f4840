/** Options of createReadStream(). */
import type { EventEmitter } from "node:events";
import * as fs from "node:fs";
import { FileStream, type Route, taken, untouched } from "./route.ts";

/** Where a descriptor's own position is. */
const position = (fd: number) => /pos:\s*(\d+)/.exec(fs.readFileSync(`/proc/self/fdinfo/${fd}`, "utf8"))?.[1];

/** Opens by itself, as graceful-fs does. */
class OwnOpen extends FileStream {
  declare fd: number;

  open(): void {
    fs.open(this.path, "r", (error, fd) => {
      if (error) return void this.destroy(error);
      this.fd = fd;
      this.emit("open", fd);
      this.emit("ready");
    });
  }
}

export const options = {
  range: taken(({ open, response, size }) => {
    const [start, end] = [Math.floor(size / 4), Math.floor(size * 0.8)];
    response.writeHead(206, { "content-length": Math.min(size, end - start + 1) });
    open({ start, end }).pipe(response);
  }),
  start: taken(({ open, response }) => open({ start: 77 }).pipe(response)),
  "end-past-the-file": taken(({ open, response }) => open({ start: 5, end: 1e12 }).pipe(response)),
  "high-water-mark": taken(({ open, response }) => open({ highWaterMark: 1024 }).pipe(response)),
  descriptor: untouched(({ open, path, response }) => open({ fd: fs.openSync(path, "r") }).pipe(response)),
  "descriptor-at-position": {
    taken: false,
    leavesOpen: true,
    answer: ({ open, path, response, note }) => {
      const fd = fs.openSync(path, "r");
      fs.readSync(fd, Buffer.alloc(1_000));
      const source = open({ fd, autoClose: false });
      source.on("end", () => {
        note("position", { at: position(fd) });
        fs.closeSync(fd);
      });
      source.pipe(response);
    },
  },
  "descriptor-with-start": {
    taken: true,
    leavesOpen: true,
    answer: ({ open, path, response, note }) => {
      const fd = fs.openSync(path, "r");
      const source = open({ fd, start: 500, autoClose: false });
      source.on("end", () => {
        note("position", { at: position(fd) });
        fs.closeSync(fd);
      });
      source.pipe(response);
    },
  },
  "file-handle": taken(async ({ open, path, response, note }) => {
    const handle = await fs.promises.open(path);
    (handle as unknown as EventEmitter).on("close", () => note("handle closed"));
    open({ fd: handle, start: 0 }).pipe(response);
  }),
  "file-handle-at-position": untouched(async ({ path, response }) => {
    const handle = await fs.promises.open(path);
    await handle.read(Buffer.alloc(1_000));
    handle.createReadStream().pipe(response);
  }),
  "without-auto-close": taken(({ open, response, note }) => {
    const source = open({ autoClose: false });
    source.on("end", () => {
      note("still open", { size: fs.fstatSync((source as fs.ReadStream & { fd: number }).fd).size });
      setImmediate(() => source.destroy());
    });
    source.pipe(response);
  }),
  "without-emit-close": {
    taken: true,
    leavesOpen: true,
    answer: ({ open, response }) => open({ emitClose: false }).pipe(response),
  },
  signal: taken(({ open, response }) => open({ signal: new AbortController().signal }).pipe(response)),
  "own-open": taken(({ path, response }) => new OwnOpen(path).pipe(response)),
} as const satisfies Record<string, Route>;
