/** `sluice doctor --app URL`: asks a running app for a file, and the app which way the file went. */
import { lookup } from "node:dns/promises";
import process from "node:process";
import { codeOf, questionHeader, type StreamAnswer } from "sluice/internal";
import { UsageError } from "../exit.ts";
import { findListeners, isOwnAddress, type Listener } from "./listener.ts";
import { Question } from "./question.ts";
import { awaitsAnswer, isPending, judge, refuse, type Verdict } from "./verdict.ts";
import { portOf, speaksOnlyHttp2, type Visit, visit } from "./visit.ts";

export interface AppReport extends Verdict {
  readonly url: string;
  /** Who listens there; undefined where that isn't in sight. */
  readonly app: Pick<Listener, "pid" | "program" | "uid"> | undefined;
  readonly answer: Visit | undefined;
}

/** How often, and for how long, a process is asked that has just begun, or that has yet to answer. Milliseconds. */
const patience = { tries: 20, betweenMs: 250, answerMs: 5000, lookMs: 20 } as const;

const pause = (ms: number): Promise<void> => new Promise((resolve) => void setTimeout(resolve, ms));

export function parseUrl(text: string): URL {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url === undefined || !/^https?:$/.test(url.protocol))
    throw new UsageError(`--app takes a URL such as http://127.0.0.1:3000/film.mp4, got '${text}'`);
  return url;
}

/** The app's answers, once there are some, or once none is to be expected any more. */
async function waitForAnswers(question: Question, seen: Visit, listener: Listener): Promise<readonly StreamAnswer[]> {
  const until = performance.now() + (awaitsAnswer(seen, listener) ? patience.answerMs : 0);
  for (;;) {
    const answers = await question.answers();
    if (answers.length > 0 || performance.now() >= until) return answers;
    await pause(patience.lookMs);
  }
}

async function ask(url: URL, address: string, listener: Listener) {
  await using question = await Question.put(listener);
  const seen = await visit(url, address, { [questionHeader]: question.token });
  return { seen, answers: await waitForAnswers(question, seen, listener) };
}

/** What is told of a connection that answers no request, or undefined where the error says it all. */
async function explainFailure(url: URL, address: string, error: unknown): Promise<Verdict | undefined> {
  if (codeOf(error) === "ECONNREFUSED") return refuse("nobody listens there", "Start the app, and look at its port.");
  if (await speaksOnlyHttp2(url, address))
    return refuse("the app speaks HTTP/2 alone, whose frames are made in JavaScript", "Let it speak HTTP/1.1 as well.");
  const code = error instanceof Error && "code" in error ? String(error.code) : "";
  if (/^(HPE_|ECONNRESET|EPROTO|ERR_SSL_)/.test(code))
    return refuse(
      `what answers there doesn't speak HTTP/1.1 (${code})`,
      `Ask by ${url.protocol === "http:" ? "https" : "http"}: if that is what it speaks; HTTP/2 alone goes through JavaScript.`,
    );
  return undefined;
}

/** The process to ask, or what is wrong before anything is asked. */
function choose(addresses: readonly string[], port: number): { address: string; listener: Listener } | Verdict {
  const sought = addresses.map((address) => ({ address, ...findListeners(address, port) }));
  const me = process.geteuid?.();
  for (const { address, listeners } of sought) {
    const listener = listeners.find(({ hasSluice }) => hasSluice) ?? listeners[0];
    if (listener === undefined) continue;
    if (me === 0 || listener.uid === me) return { address, listener };
    return foreign(listener.uid);
  }
  const stranger = sought.flatMap(({ strangers }) => strangers).find((uid) => uid !== me);
  if (stranger !== undefined) return foreign(stranger);
  return refuse(
    "whoever listens there is not in sight: nobody, or a process in a container",
    "Start the app, or run the doctor in its container.",
  );
}

const foreign = (uid: number): Verdict =>
  refuse(
    `the app is another user's (uid ${uid}), and tells nothing to this one`,
    "Run the doctor as that user, or as root.",
  );

/** Asks, and asks again while the process has only just begun. */
async function examine(url: URL, address: string, listener: Listener): Promise<AppReport> {
  const { pid, program, uid } = listener;
  const about = { url: url.href, app: { pid, program, uid } };
  try {
    let found = await ask(url, address, listener);
    for (let tries = 1; isPending(found.answers) && tries < patience.tries; tries++) {
      await pause(patience.betweenMs);
      found = await ask(url, address, listener);
    }
    return { ...about, answer: found.seen, ...judge(found.seen, listener, found.answers) };
  } catch (error) {
    const verdict = await explainFailure(url, address, error);
    if (verdict === undefined) throw error;
    return { ...about, answer: undefined, ...verdict };
  }
}

/** @throws UsageError for what is no URL; what the platform says where the app can't be asked */
export async function examineApp(text: string): Promise<AppReport> {
  const url = parseUrl(text);
  const nothing = { url: url.href, app: undefined, answer: undefined };
  if (process.platform !== "linux") return { ...nothing, ...refuse("an app can be asked on Linux alone") };
  const found = await lookup(url.hostname.replace(/^\[|\]$/g, ""), { all: true });
  const own = found.map(({ address }) => address).filter(isOwnAddress);
  if (own.length === 0) {
    const where = `${url.hostname} is another machine, and an app tells nothing to strangers`;
    return { ...nothing, ...refuse(where, "Run the doctor there, as the app's user.") };
  }
  const chosen = choose(own, portOf(url));
  return "address" in chosen ? examine(url, chosen.address, chosen.listener) : { ...nothing, ...chosen };
}
