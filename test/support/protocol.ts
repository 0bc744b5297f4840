/**
 * How a test process tells the runner what happened: a line when a contract test begins, and one about every test.
 *
 *     begin NAME
 *     ok NAME
 *     not ok NAME: why
 *     skip NAME: reason
 *     skip NAME (need): reason     for the want of a capability
 */
import { type Need, needs, type Unmet } from "./needs.ts";

export interface Line {
  readonly status: "ok" | "not ok" | "skip";
  readonly name: string;
  /** The capability that was missing, where that was the cause of a skip. */
  readonly need?: Need;
  readonly why: string;
}

const pattern = /^(?<status>ok|not ok|skip) (?<name>.+?)(?: \((?<word>\w+)\))?(?:: (?<why>.*))?$/;

export const beginLine = (name: string): string => `begin ${name}`;
export const okLine = (name: string): string => `ok ${name}`;
export const failLine = (name: string, why: string): string => `not ok ${name}: ${oneLine(why)}`;
export const skipLine = (name: string, { need, reason }: Unmet): string => `skip ${name} (${need}): ${oneLine(reason)}`;

const oneLine = (text: string): string => text.replaceAll(/\s*\n\s*/g, " ");

const isNeed = (word: string | undefined): word is Need => word !== undefined && Object.hasOwn(needs, word);

/** The name of the test that has begun last. */
export function lastBegun(output: string): string | undefined {
  return [...output.matchAll(/^begin (.+)$/gm)].at(-1)?.[1];
}

/** What the lines of an output say of how tests ended. */
export function readLines(output: string): Line[] {
  return output.split("\n").flatMap((text): Line[] => {
    const { status, name = "", word, why = "" } = pattern.exec(text.trimEnd())?.groups ?? {};
    if (status === "skip" && isNeed(word)) return [{ status, name, need: word, why }];
    // Parentheses around anything else are part of the test's name.
    const whole = word === undefined ? name : `${name} (${word})`;
    return status === "ok" || status === "not ok" || status === "skip" ? [{ status, name: whole, why }] : [];
  });
}
