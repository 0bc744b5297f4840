/** Starts an app of ../apps as a process of its own, with the preload or without, and asks it what happened. */
import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import process from "node:process";
import { fileURLToPath } from "node:url";
import * as assert from "uvu/assert";
import { root } from "../../support/root.ts";
import { settles, waitFor } from "../../support/wait.ts";
import type { Entry, Log, Taken } from "../apps/recorder.ts";

export interface AppOptions {
  /** The script in ../apps, without its extension. */
  readonly script: string;
  /** What the script is told: the folder to serve, and perhaps a package. */
  readonly args: readonly string[];
  /** Options of the runtime. */
  readonly execArgv?: readonly string[];
  /** Another program than this test's own Node.js. */
  readonly execPath?: string;
  readonly env?: NodeJS.ProcessEnv;
}

/** An app that is no module has its own extension. */
const extensionOf = (script: string) => (script === "commonjs" ? ".cjs" : ".js");

const hasPreload = (execArgv: readonly string[]): boolean => execArgv.some((option) => /\bregister\b/.test(option));

export class App implements AsyncDisposable {
  readonly port: number;
  readonly #child: ChildProcess;
  readonly #answers = new Map<number, { resolve(answer: unknown): void; reject(error: Error): void }>();
  #questions = 0;
  #output = "";
  #expectsOutput = false;

  private constructor(child: ChildProcess, port: number) {
    this.#child = child;
    this.port = port;
    child.on("message", (message: { id: number; answer: unknown }) => {
      this.#answers.get(message.id)?.resolve(message.answer);
      this.#answers.delete(message.id);
    });
    child.once("close", () => {
      for (const { reject } of this.#answers.values()) reject(this.#gone());
    });
    for (const stream of [child.stdout, child.stderr])
      stream?.setEncoding("utf8").on("data", (text: string) => (this.#output += text));
  }

  static async start({ script, args, execArgv = [], execPath, env = {} }: AppOptions): Promise<App> {
    const path = fileURLToPath(new URL(`../apps/${script}${extensionOf(script)}`, import.meta.url));
    const child = fork(path, args, {
      cwd: root,
      execArgv: [...execArgv],
      // Express prints errors elsewhere.
      env: { ...process.env, NODE_ENV: "test", ...(hasPreload(execArgv) && { SLUICE_TEST_PRELOAD: "1" }), ...env },
      stdio: ["ignore", "pipe", "pipe", "ipc"],
      ...(execPath === undefined ? {} : { execPath }),
    });
    let errors = "";
    const note = (text: Buffer) => (errors += text.toString());
    child.stderr?.on("data", note);
    const [message] = (await Promise.race([once(child, "message"), once(child, "exit")])) as [{ port?: number }];
    const { port } = Object(message) as { port?: number };
    if (port === undefined) throw new Error(`${script} did not start: ${errors}`);
    child.stderr?.off("data", note);
    return new App(child, port);
  }

  /** Has the app carry out one of its commands. */
  ask(command: string, ...args: readonly unknown[]): Promise<unknown> {
    const id = ++this.#questions;
    return new Promise((resolve, reject) => {
      if (!this.#child.connected) return reject(this.#gone());
      this.#answers.set(id, { resolve, reject });
      this.#child.send({ id, command, args });
    });
  }

  #gone(): Error {
    return new Error(`The app is gone: ${this.#output}`);
  }

  log(id: string): Promise<Log> {
    return this.ask("log", id) as Promise<Log>;
  }

  /** The log of a case once its responses, and its sources where those are to be closed, have emitted 'close'. */
  async finished(id: string, leavesOpen = false): Promise<readonly Entry[]> {
    await settles(async () => {
      const { entries, open } = await this.log(id);
      return entries.length > 0 && open.responses === 0 && (leavesOpen || open.sources === 0);
    });
    return (await this.log(id)).entries;
  }

  /** What the preload published since the last call. */
  published(): Promise<Taken[]> {
    return this.ask("published") as Promise<Taken[]>;
  }

  /** What it has open, once the connections of earlier requests are closed. */
  async descriptors(): Promise<string[]> {
    await settles(async () => (await this.ask("connections")) === 0);
    return (await this.ask("descriptors")) as string[];
  }

  /** Asserts that the same descriptors are open as were, once what is closing has closed. */
  async assertDescriptors(before: readonly string[]): Promise<void> {
    await settles(async () => String(await this.ask("descriptors")) === String(before));
    assert.equal(await this.ask("descriptors"), before, "descriptors are open that were not, or the reverse");
  }

  /** What it has written to stdout and stderr, which from now on may be something. */
  get output(): string {
    this.#expectsOutput = true;
    return this.#output;
  }

  /** Has the app close its server. It is to exit by itself then, having printed nothing. */
  async [Symbol.asyncDispose](): Promise<void> {
    const isOver = () => this.#child.exitCode !== null || this.#child.signalCode !== null;
    const exit = isOver() ? undefined : once(this.#child, "exit");
    try {
      if (this.#child.connected) this.#child.send({ id: 0, command: "leave", args: [] });
      await waitFor("the app to exit by itself", isOver);
      await exit;
      assert.is(this.#child.exitCode, 0, `the app ended badly: ${this.#output}`);
      if (!this.#expectsOutput) assert.is(this.#output, "", "the app printed something");
    } finally {
      this.#child.kill("SIGKILL");
    }
  }
}
