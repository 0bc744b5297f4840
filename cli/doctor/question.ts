/** A question to a running app: a file of the app's own user, which the app finds by the token in a request's header. */
import { randomBytes } from "node:crypto";
import { constants } from "node:fs";
import { type FileHandle, open, unlink } from "node:fs/promises";
import process from "node:process";
import { questionFolder, questionName, type StreamAnswer } from "sluice/internal";
import type { Listener } from "./listener.ts";

export class Question implements AsyncDisposable {
  readonly token: string;
  readonly #path: string;
  readonly #file: FileHandle;

  private constructor(token: string, path: string, file: FileHandle) {
    this.token = token;
    this.#path = path;
    this.#file = file;
  }

  /** Lays the file where the app sees it. Root gives it to the app's user, by its descriptor. */
  static async put({ root, uid }: Pick<Listener, "root" | "uid">): Promise<Question> {
    const token = randomBytes(16).toString("hex");
    const path = `${root}${questionFolder}/${questionName(token)}`;
    const { O_RDWR, O_CREAT, O_EXCL, O_NOFOLLOW } = constants;
    const file = await open(path, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW, 0o600);
    const question = new Question(token, path, file);
    try {
      // The mode, whatever the umask.
      await file.chmod(0o600);
      if (process.geteuid?.() !== uid) await file.chown(uid, (await file.stat()).gid);
      return question;
    } catch (error) {
      await question[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** What the app has answered by now, one answer for each of the response's streams. */
  async answers(): Promise<readonly StreamAnswer[]> {
    const { size } = await this.#file.stat();
    const { buffer } = await this.#file.read(Buffer.alloc(size), 0, size, 0);
    const lines = buffer.toString("utf8").split("\n");
    // What follows the last line break isn't whole yet.
    return lines.slice(0, -1).map((line) => JSON.parse(line) as StreamAnswer);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#file.close();
    await unlink(this.#path);
  }
}
