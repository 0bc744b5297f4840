/**
 * The app's side of `sluice doctor --app`: which way a response's stream went, told to the user that the process runs as, and
 * to nobody else. A request names a question by a random token. The answer is put in that question's file, which has to
 * lie there already and to be this user's own; nothing in the response changes, so whoever sends the header learns nothing.
 */
import { closeSync, constants, fstatSync, openSync, writeSync } from "node:fs";
import type { ServerResponse } from "node:http";
import process from "node:process";
import { isToken, questionFolder, questionHeader, questionName } from "../../core/question.ts";

/** A file of answers is never longer. */
const limitBytes = 64 * 1024;

/** O_NONBLOCK: a FIFO of somebody's in that place holds nobody up. */
const flags = constants.O_WRONLY | constants.O_APPEND | constants.O_NOFOLLOW | constants.O_NONBLOCK;

/** The token of the question that came with a response's request. */
function questionOf({ req }: ServerResponse): string | undefined {
  // Injected requests have less than node:http's.
  const { rawHeaders } = Object(req) as { readonly rawHeaders?: readonly string[] };
  const at = rawHeaders?.indexOf(questionHeader) ?? -1;
  const token = at < 0 ? undefined : rawHeaders?.[at + 1];
  return token !== undefined && isToken(token) ? token : undefined;
}

/** Whether only this process's user, or root, can have made the file. */
function isOurs(fd: number): boolean {
  const facts = fstatSync(fd);
  return (
    facts.isFile() &&
    facts.uid === process.geteuid?.() &&
    (facts.mode & 0o777) === 0o600 &&
    facts.nlink === 1 &&
    facts.size < limitBytes
  );
}

/** Answers the question that a response's request has asked, if it has. Never throws: the app has not asked anything. */
export function answerQuestion(response: ServerResponse, answer: () => object): void {
  const token = questionOf(response);
  if (token === undefined) return;
  let fd: number | undefined;
  try {
    fd = openSync(`${questionFolder}/${questionName(token)}`, flags);
    if (isOurs(fd)) writeSync(fd, `${JSON.stringify(answer())}\n`);
  } catch {
    // No such question, or one that may not be answered; who has asked it says that there was no answer.
  } finally {
    if (fd !== undefined) closeSync(fd);
  }
}
