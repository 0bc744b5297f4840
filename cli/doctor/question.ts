/** A question to a running app: a file of the app's own user, which the app finds by the token in a request's header. */
import { randomBytes } from "node:crypto";
import { constants } from "node:fs";
import { type FileHandle, open, readFile, unlink } from "node:fs/promises";
import process from "node:process";
import { questionFolder, questionName, type StreamAnswer } from "sluice/internal";
import type { Listener } from "./listener.ts";

const { O_RDONLY, O_DIRECTORY, O_RDWR, O_CREAT, O_EXCL, O_NOFOLLOW } = constants;

/**
 * Opens the folder of questions as a process sees it. In a container a link in that place could lead root out to a
 * folder of the host's: so it has to be what the process's own table of mounts has there.
 */
async function openFolder({ pid, isElsewhere }: Pick<Listener, "pid" | "isElsewhere">): Promise<FileHandle> {
  const folder = await open(`${isElsewhere ? `/proc/${pid}/root` : ""}${questionFolder}`, O_RDONLY | O_DIRECTORY);
  if (!isElsewhere) return folder;
  try {
    const [, id] = /^mnt_id:\s*(\d+)/m.exec(await readFile(`/proc/self/fdinfo/${folder.fd}`, "utf8")) ?? [];
    const mounts = (await readFile(`/proc/${pid}/mountinfo`, "utf8")).split("\n").map((line) => line.split(" "));
    // proc_pid_mountinfo(5): the first field is the mount's id, the fifth its place.
    if (mounts.some((fields) => fields[0] === id && fields[4] === questionFolder)) return folder;
    throw new Error(`${questionFolder} is no mount of the app's container; run the doctor within it`);
  } catch (error) {
    await folder.close();
    throw error;
  }
}

export class Question implements AsyncDisposable {
  readonly token: string = randomBytes(16).toString("hex");
  readonly #folder: FileHandle;
  #file: FileHandle | undefined;

  private constructor(folder: FileHandle) {
    this.#folder = folder;
  }

  /** Lays the file where the app sees it. Root gives it to the app's user, by its descriptor. */
  static async put(listener: Pick<Listener, "pid" | "isElsewhere" | "uid">): Promise<Question> {
    const question = new Question(await openFolder(listener));
    try {
      await question.#make(listener.uid);
      return question;
    } catch (error) {
      await question[Symbol.asyncDispose]();
      throw error;
    }
  }

  get #path(): string {
    return `/proc/self/fd/${this.#folder.fd}/${questionName(this.token)}`;
  }

  async #make(uid: number): Promise<void> {
    const file = await open(this.#path, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW, 0o600);
    this.#file = file;
    // The mode, whatever the umask.
    await file.chmod(0o600);
    if (process.geteuid?.() !== uid) await file.chown(uid, (await file.stat()).gid);
  }

  /** What the app has answered by now, one answer for each of the response's streams. */
  async answers(): Promise<readonly StreamAnswer[]> {
    if (this.#file === undefined) return [];
    const { size } = await this.#file.stat();
    const { buffer } = await this.#file.read(Buffer.alloc(size), 0, size, 0);
    const lines = buffer.toString("utf8").split("\n");
    // What follows the last line break isn't whole yet.
    return lines.slice(0, -1).map((line) => JSON.parse(line) as StreamAnswer);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    try {
      if (this.#file === undefined) return;
      await this.#file.close();
      await unlink(this.#path);
    } finally {
      await this.#folder.close();
    }
  }
}
