/** PURE: what came of asking an app for a file, from its own answer and from what can be seen outside. */
import type { StreamAnswer } from "sluice/internal";
import type { Listener } from "./listener.ts";
import { remedyFor, withoutEngine } from "./remedies.ts";
import type { Visit } from "./visit.ts";

export interface Verdict {
  /** Whether the app itself has answered; else it is what can be seen from outside. */
  readonly told: boolean;
  /** Whether all bytes of the body went past JavaScript. */
  readonly native: boolean;
  /** The mechanism that moved them; undefined where none did, or nobody knows. */
  readonly strategy: string | undefined;
  /** Bytes that went past JavaScript. */
  readonly bytes: number;
  readonly reason: string;
  /** Undefined where none is needed or known. */
  readonly remedy: string | undefined;
}

export const refuse = (reason: string, remedy?: string): Verdict => ({
  told: false,
  native: false,
  strategy: undefined,
  bytes: 0,
  reason,
  remedy,
});

/** Statuses of answers that are no file; of several rows that fit the first serves. */
const statuses: readonly (readonly [from: number, to: number, remedy: string])[] = [
  [300, 303, "Ask for the URL that it leads to."],
  [304, 304, "Nothing: a 304 has no body. Ask for a file that no condition is put on."],
  [305, 399, "Ask for the URL that it leads to."],
  [401, 403, "Ask for a file that anybody may have, or for one in the app without its guard."],
  [404, 404, "Ask for a file that the app serves."],
  [405, 405, "Ask for a URL that answers GET with a file."],
  [400, 499, "Ask for a URL that answers a plain GET with a file."],
  [500, 599, "Look at the app's own log first."],
  [0, 199, "Ask for a URL that answers with a file."],
  [201, 299, "Ask for a URL that answers 200 with a file."],
];

const isFile = ({ status }: Visit): boolean => status === 200 || status === 206;

/** Whether an answer of the app's is to be waited for. */
export const awaitsAnswer = (visit: Visit, { hasSluice, isSwitchedOff }: Listener): boolean =>
  isFile(visit) && visit.bytes > 0 && hasSluice && !isSwitchedOff;

/** Whether the app has only just begun. */
export const isPending = (answers: readonly StreamAnswer[]): boolean =>
  answers.some(({ reason }) => reason.endsWith(" is being tried"));

/** What the app's own answers come to. */
function fromAnswers(answers: readonly StreamAnswer[], visit: Visit): Verdict | undefined {
  const decisive = answers.find(({ native }) => !native) ?? answers.at(-1);
  if (decisive === undefined) return undefined;
  const bytes = answers.reduce((sum, each) => sum + each.bytes, 0);
  const strategy = answers.find((each) => each.native)?.strategy;
  const native = bytes > 0 && bytes >= visit.bytes;
  const engine = decisive.engine ?? undefined;
  if (native) return { told: true, native, strategy, bytes, reason: decisive.reason, remedy: undefined };
  const compressed = visit.coding !== undefined || visit.variesByCoding;
  const isWrapped = decisive.reason === "the response's write has been replaced" && compressed;
  const reason = isWrapped ? `${decisive.reason}: compression() is mounted before the static files` : decisive.reason;
  const known = engine === decisive.reason ? withoutEngine : remedyFor(decisive.reason);
  return { told: true, native, strategy, bytes, reason, remedy: known };
}

/** Whoever listens and is no runtime of JavaScript. */
const runtimes = /^(node|bun|deno)/;

interface Case {
  readonly holds: (visit: Visit, listener: Listener) => boolean;
  readonly reason: (visit: Visit, listener: Listener) => string;
  readonly remedy: string;
}

/** Why there is no answer; the first that holds. */
const silences: readonly Case[] = [
  {
    holds: (_visit, { isSwitchedOff }) => isSwitchedOff,
    reason: () => "Sluice is switched off in the app by SLUICE_DISABLE",
    remedy: "Start the app without SLUICE_DISABLE.",
  },
  {
    holds: (_visit, { program }) => program.startsWith("bun"),
    reason: () => "Bun's servers tell no report",
    remedy:
      "Answer with Bun.file(), which Bun sends by sendfile itself, or with sluice/fetch; strace shows sendfile(2).",
  },
  {
    holds: (_visit, { program }) => program.startsWith("deno"),
    reason: () => "on Deno the app tells no report: it would have to ask for a permission",
    remedy: "Look at report() in the app, or start it with SLUICE_DEBUG=1.",
  },
  {
    holds: (_visit, { program, hasSluice }) => !hasSluice && !runtimes.test(program),
    reason: (_visit, { program }) => `${program} listens there, and not the app`,
    remedy: "Ask at the port that the app itself listens at.",
  },
  {
    holds: (_visit, { hasSluice }) => !hasSluice,
    reason: () => "Sluice is not loaded in the app: its process shows no trace of it",
    remedy:
      "Start it by node --import sluice/register app.js (NODE_OPTIONS, where another program starts it), or answer with sluice/fetch.",
  },
  {
    holds: (_visit, { isRestricted }) => isRestricted,
    reason: () => "Node's permission model is on, and the app may not answer",
    remedy: "Start it with --allow-fs-write=/dev/shm/* as well, or with SLUICE_DEBUG=1.",
  },
  {
    holds: ({ bytes }) => bytes === 0,
    reason: () => "the body is empty",
    remedy: "Ask for a file that has bytes.",
  },
  {
    holds: ({ coding }) => coding !== undefined && coding !== "identity",
    reason: ({ coding }) => `the body is compressed (${coding}) in the app, on its way`,
    remedy: "Mount compression behind the static files, and lay compressed copies (.br, .gz) beside them.",
  },
  {
    holds: () => true,
    reason: () =>
      "no file was piped to the response: the app sent bytes that it had in memory, or a stream of another kind",
    remedy:
      "Answer by createReadStream(path).pipe(response), as express.static, send and sirv do; a file that is read whole, " +
      "as small ones often are, is in memory already.",
  },
];

/** What came of a visit. */
export function judge(visit: Visit, listener: Listener, answers: readonly StreamAnswer[]): Verdict {
  const { status } = visit;
  if (!isFile(visit)) {
    const remedy = statuses.find(([from, to]) => status >= from && status <= to)?.[2];
    const where = visit.location === undefined ? "" : `, and leads to ${visit.location}`;
    return refuse(`the app answered ${status}${where}`, remedy);
  }
  const told = fromAnswers(answers, visit);
  if (told !== undefined) return told;
  const silence = silences.find(({ holds }) => holds(visit, listener));
  return refuse(silence?.reason(visit, listener) ?? "", silence?.remedy);
}
