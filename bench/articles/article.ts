/** What the experiments share: the articles, and how their results are put beside what they say. */
import { orReason } from "../support/programs.ts";
import type { Claim } from "../report/schema.ts";

export const articles = {
  overview: "Zero-copy in Linux: an overview (2018)",
  processes: "Copying between processes: a benchmark of three ways",
  sendfile: "The sendfile system call in detail",
  java: "What zero-copy really is, with Java NIO",
} as const;

export type Verdict = Claim["verdict"];

/** A claim before anything has been tried. */
export type Sentence = Pick<Claim, "article" | "claim" | "experiment">;

export type Finding = Pick<Claim, "measured" | "verdict" | "comment">;

/** The claims of one experiment; where the machine can't run it, they are there with the reason. */
export async function answered(
  questions: readonly Sentence[],
  experiment: () => Promise<readonly Finding[]>,
): Promise<Claim[]> {
  const answers = await orReason(experiment, (measured) =>
    questions.map((): Finding => ({ measured, verdict: "not testable here" })),
  );
  return questions.map((question, i) => {
    const answer = answers[i];
    if (answer === undefined) throw new Error(`There is no answer to: ${question.claim}`);
    return { ...question, ...answer };
  });
}

/** "name value" lines. */
export function parseFacts(text: string): ReadonlyMap<string, string> {
  return new Map(
    text
      .trim()
      .split("\n")
      .map((line): [string, string] => {
        const space = line.indexOf(" ");
        return space < 0 ? [line, ""] : [line.slice(0, space), line.slice(space + 1)];
      }),
  );
}

/** @throws Error for a fact that the experiment did not tell */
export function factOf(facts: ReadonlyMap<string, string>, name: string): string {
  const value = facts.get(name);
  if (value === undefined) throw new Error(`The experiment says nothing of ${name}`);
  return value;
}
