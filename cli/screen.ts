/** What stdout can show: its width, and colours where they are wanted (a terminal, and no NO_COLOR). */
import process from "node:process";

const { stdout } = process;

/** Columns; 80 where there is no terminal. */
export const screenWidth: number = stdout.isTTY ? stdout.columns : 80;

/** hasColors() knows NO_COLOR, FORCE_COLOR and TERM=dumb. */
const colours: boolean = stdout.isTTY && stdout.hasColors();

const sgr = { bold: 1, red: 31, green: 32, yellow: 33, cyan: 36 } as const;

export type Colour = keyof typeof sgr;

/** The text in a colour, or as it is. */
export function paint(colour: Colour, text: string): string {
  return colours ? `\u001b[${sgr[colour]}m${text}\u001b[0m` : text;
}

/** The strokes of a drawing by what they cost, and the numbered mode switches. */
const strokes: readonly (readonly [RegExp, Colour])[] = [
  [/[━┃┏┓┸]+▶?|CPU copy \d/g, "red"],
  [/[┅┇]+▶?|0 or 1 copy/g, "yellow"],
  [/[╌╎]+▶?|no copy/g, "green"],
  [/↓\d \w+ \d↑/g, "cyan"],
  [/^(USER|KERNEL|HARDWARE)/gm, "bold"],
];

/** A drawing whose parts are marked by the colours that they have. */
export function markDrawing(drawing: string, mark: (colour: Colour, part: string) => string): string {
  return strokes.reduce((text, [pattern, colour]) => text.replace(pattern, (part) => mark(colour, part)), drawing);
}

/** A drawing in colours. */
export function paintDrawing(drawing: string): string {
  return colours ? markDrawing(drawing, paint) : drawing;
}

/** Writes lines to stdout. */
export function print(text: string): void {
  stdout.write(`${text}\n`);
}

/** Of JSON: undefined fields become null, so that every field is there, and no number has more than three decimals. */
function jsonField(_key: string, field: unknown): unknown {
  return typeof field === "number" ? Math.round(field * 1000) / 1000 : (field ?? null);
}

/** Data as JSON: in one line, unless it is indented. */
export function formatJson(value: unknown, indent?: number): string {
  return JSON.stringify(value, jsonField, indent);
}

/** Writes data to stdout. */
export function printJson(value: unknown): void {
  print(formatJson(value, 2));
}

/** Writes a line for people to stderr, where it never mixes with data. */
export function tell(text: string): void {
  try {
    process.stderr.write(`${text}\n`);
  } catch {
    // Deno writes within the call, and there is no other way to tell.
  }
}
