/**
 * Draws the path of the bytes for a terminal: user space above, kernel in the middle, hardware
 * below, each hop in the stroke of what it costs, each mode switch on the line that it crosses.
 */
import { checkKnown } from "../options.ts";

export type Lane = "user" | "kernel" | "hardware";

/** What a hop costs: the CPU copies, it may copy, only references move, or a device moves the bytes itself. */
export type HopCost = "copy" | "maybe" | "reference" | "dma";

/** A box. Columns go from 0 (the source's) to 2 (the target's); a box with `to` reaches that far. */
export interface Place {
  readonly label: string;
  readonly lane: Lane;
  readonly column: number;
  readonly to?: number;
}

export interface Hop {
  readonly from: Place;
  readonly to: Place;
  readonly cost: HopCost;
  /** In place of the cost's own words. */
  readonly label?: string;
}

/** The way of the bytes through the machine, and the system calls of a round that move them. */
export interface Path {
  readonly hops: readonly Hop[];
  readonly calls: readonly string[];
  /** "a round", or "in all" where one call does everything. */
  readonly per: string;
  /** What the strokes can't say: on what a possible copy depends. */
  readonly notes: readonly string[];
}

export interface DrawingOptions {
  /** Columns of the terminal. Default 80, and never fewer. */
  readonly width?: number | undefined;
  /** Draw with ASCII alone, for terminals and files without Unicode. Default false. */
  readonly ascii?: boolean | undefined;
}

interface Stroke {
  readonly across: string;
  readonly up: string;
  /** From below to the right, and from the left to below. */
  readonly corners: readonly [string, string];
  /** Where a line leaves a box through its top or bottom. */
  readonly tees: readonly [string, string];
  /** Where it crosses the line between user space and kernel, and the one between kernel and hardware. */
  readonly crossings: readonly [string, string];
}

interface Charset {
  readonly strokes: Readonly<Record<HopCost, Stroke>>;
  readonly box: string;
  readonly boundaries: readonly [string, string];
  readonly arrows: { readonly right: string; readonly up: string; readonly down: string };
  readonly enter: string;
  readonly leave: string;
  readonly separator: string;
}

const stroke = (across: string, up: string, corners: string, tees: string, crossings: string): Stroke => ({
  across,
  up,
  corners: [corners.charAt(0), corners.charAt(1)],
  tees: [tees.charAt(0), tees.charAt(1)],
  crossings: [crossings.charAt(0), crossings.charAt(1)],
});

const unicode: Charset = {
  strokes: {
    copy: stroke("━", "┃", "┏┓", "┸┰", "╪╂"),
    maybe: stroke("┅", "┇", "┏┓", "┸┰", "╪╂"),
    reference: stroke("╌", "╎", "┌┐", "┴┬", "╪┼"),
    dma: stroke("─", "│", "┌┐", "┴┬", "╪┼"),
  },
  box: "┌─┐│└┘",
  boundaries: ["═", "─"],
  arrows: { right: "▶", up: "▲", down: "▼" },
  enter: "↓",
  leave: "↑",
  separator: " · ",
};

const ascii: Charset = {
  strokes: {
    copy: stroke("#", "#", "##", "##", "##"),
    maybe: stroke("~", "~", "~~", "~~", "~~"),
    reference: stroke(".", ":", "..", "..", "::"),
    dma: stroke("-", "|", "++", "++", "++"),
  },
  box: "+-+|++",
  boundaries: ["=", "-"],
  arrows: { right: ">", up: "^", down: "v" },
  enter: "v",
  leave: "^",
  separator: ", ",
};

const legend: Readonly<Record<HopCost, string>> = {
  copy: "CPU copy",
  maybe: "copy or reference",
  reference: "reference, no copy",
  dma: "DMA",
};

/** A page of characters that grows downwards. */
class Canvas {
  readonly #rows: string[][] = [];

  put(x: number, y: number, text: string): void {
    while (this.#rows.length <= y) this.#rows.push([]);
    const row = this.#rows[y] ?? [];
    while (row.length < x) row.push(" ");
    for (const [i, character] of [...text].entries()) row[x + i] = character;
  }

  centre(x: number, y: number, text: string): void {
    this.put(x - Math.floor(text.length / 2), y, text);
  }

  toString(): string {
    return this.#rows.map((row) => row.join("").trimEnd()).join("\n");
  }
}

/** Where things are on the page. A lane is a row of boxes three lines high. */
interface Layout {
  readonly centres: readonly [number, number, number];
  readonly right: number;
  /** The middle line of each lane's boxes. */
  readonly rows: Readonly<Record<Lane, number>>;
  /** The lines between user space and kernel, and between kernel and hardware. */
  readonly boundaries: readonly [number, number];
  readonly hardware: boolean;
}

const gutter = 10;
const halfBox = 8;

function layOut({ hops }: Path, width: number): Layout {
  const lanes = new Set(hops.flatMap(({ from, to }) => [from.lane, to.lane]));
  const top = lanes.has("user") ? 3 : 1;
  const left = gutter + halfBox;
  const right = width - 1;
  return {
    centres: [left, Math.round((left + right - halfBox) / 2), right - halfBox],
    right,
    rows: { user: 1, kernel: top + 3, hardware: top + 10 },
    boundaries: [top, top + 7],
    hardware: lanes.has("hardware"),
  };
}

/** Draws a path. The text has no trailing spaces and no line break at its end. */
export function draw(path: Path, options: DrawingOptions = {}): string {
  checkKnown(options, { width: true, ascii: true });
  const chars = options.ascii === true ? ascii : unicode;
  const canvas = new Canvas();
  const layout = layOut(path, Math.max(80, options.width ?? 80));
  drawLanes(canvas, layout, path, chars);
  for (const place of new Set(path.hops.flatMap(({ from, to }) => [from, to]))) drawBox(canvas, layout, place, chars);
  let copies = 0;
  for (const hop of path.hops) {
    if (hop.cost === "copy") copies++;
    drawHop(canvas, layout, hop, chars, hop.label ?? hopLabel(hop.cost, copies));
  }
  return `${canvas}\n\n${summary(path, chars)}`;
}

function hopLabel(cost: HopCost, copies: number): string {
  if (cost === "copy") return `CPU copy ${copies}`;
  return { maybe: "0 or 1 copy", reference: "no copy", dma: "DMA" }[cost];
}

function drawLanes(canvas: Canvas, { centres, right, rows, boundaries, hardware }: Layout, path: Path, chars: Charset) {
  const [calls, device] = boundaries;
  canvas.put(0, 0, "USER");
  if (calls === 1) canvas.put(gutter, 0, "(the bytes never come here)");
  canvas.put(0, calls, chars.boundaries[0].repeat(right + 1));
  canvas.put(0, calls + 1, "KERNEL");
  const [start, , end] = centres;
  for (const [i, call] of path.calls.entries()) {
    const x = start + Math.round(((end - start) * (i + 1)) / (path.calls.length + 1));
    canvas.centre(x, calls, ` ${chars.enter}${2 * i + 1} ${call} ${2 * i + 2}${chars.leave} `);
  }
  if (!hardware) return;
  canvas.put(0, device, chars.boundaries[1].repeat(right + 1));
  canvas.put(0, rows.hardware - 2, "HARDWARE");
}

/** The first and last column of a box's border. */
function edges({ centres }: Layout, place: Place): readonly [number, number] {
  const half = Math.floor((place.label.length + 4) / 2);
  const from = centres[place.column] ?? 0;
  if (place.to !== undefined) return [from - halfBox, (centres[place.to] ?? 0) + halfBox];
  return [from - half, from - half + place.label.length + 3];
}

function drawBox(canvas: Canvas, layout: Layout, place: Place, { box }: Charset): void {
  const [topLeft, flat, topRight, side, bottomLeft, bottomRight] = [...box];
  const [left, right] = edges(layout, place);
  const row = layout.rows[place.lane];
  const line = (flat ?? "").repeat(right - left - 1);
  canvas.put(left, row - 1, `${topLeft}${line}${topRight}`);
  canvas.put(left, row, `${side}${" ".repeat(right - left - 1)}${side}`);
  canvas.put(left + Math.floor((right - left + 1 - place.label.length) / 2), row, place.label);
  canvas.put(left, row + 1, `${bottomLeft}${line}${bottomRight}`);
}

function drawHop(canvas: Canvas, layout: Layout, hop: Hop, chars: Charset, label: string): void {
  const lanes = [hop.from.lane, hop.to.lane];
  if (lanes[0] === lanes[1]) drawAcross(canvas, layout, hop, chars, label);
  else if (lanes.includes("hardware")) drawStraight(canvas, layout, hop, chars, label);
  else drawElbow(canvas, layout, hop, chars, label);
}

/** Between kernel and hardware, one box above the other. Where only references lead down there is no direction. */
function drawStraight(canvas: Canvas, layout: Layout, { from, to, cost }: Hop, chars: Charset, label: string): void {
  const { up, tees, crossings } = chars.strokes[cost];
  const x = layout.centres[(from.to === undefined ? from : to).column] ?? 0;
  const rising = from.lane === "hardware";
  const [top, bottom] = [layout.rows.kernel + 1, layout.rows.hardware - 1];
  for (let y = top + 1; y < bottom; y++) canvas.put(x, y, up);
  canvas.put(x, layout.boundaries[1], crossings[1]);
  canvas.put(x, rising ? bottom : top, tees[rising ? 0 : 1]);
  if (cost === "reference") canvas.put(x, top, tees[1]);
  else canvas.put(x, rising ? top + 1 : bottom - 1, rising ? chars.arrows.up : chars.arrows.down);
  canvas.put(x + 2, top + 2, label);
}

/** Between kernel and user space: beside the user's box, then through the line that the system calls cross. */
function drawElbow(canvas: Canvas, layout: Layout, hop: Hop, chars: Charset, label: string): void {
  const { across, up, corners, tees, crossings } = chars.strokes[hop.cost];
  const rising = hop.to.lane === "user";
  const x = layout.centres[(rising ? hop.from : hop.to).column] ?? 0;
  const [row, box] = [layout.rows.user, layout.rows.kernel - 1];
  for (let y = row + 1; y < box; y++) canvas.put(x, y, up);
  canvas.put(x, layout.boundaries[0], crossings[0]);
  if (rising) {
    const [end] = edges(layout, hop.to);
    canvas.put(x, box, tees[0]);
    canvas.put(x, row, corners[0] + across.repeat(end - x - 2) + chars.arrows.right);
    canvas.centre(Math.round((x + end) / 2), row - 1, label);
  } else {
    const [, start] = edges(layout, hop.from);
    canvas.put(x, box - 1, chars.arrows.down);
    canvas.put(start + 1, row, across.repeat(x - start - 1) + corners[1]);
    canvas.centre(Math.round((x + start) / 2), row - 1, label);
  }
}

function drawAcross(canvas: Canvas, layout: Layout, hop: Hop, chars: Charset, label: string): void {
  const row = layout.rows[hop.from.lane];
  const [, start] = edges(layout, hop.from);
  const [end] = edges(layout, hop.to);
  canvas.put(start + 1, row, chars.strokes[hop.cost].across.repeat(end - start - 2) + chars.arrows.right);
  canvas.centre(Math.round((start + end) / 2), row - 1, label);
}

/** Mode switches, as in the literature: one into the kernel and one back for each call. */
export function modeSwitches({ calls }: Path): number {
  return 2 * calls.length;
}

/** CPU copies of each byte, in words: "0", "2", "0 or 1". */
export function cpuCopies({ hops }: Path): string {
  const certain = hops.filter(({ cost }) => cost === "copy").length;
  const possible = hops.filter(({ cost }) => cost === "maybe").length;
  return possible === 0 ? `${certain}` : `${certain} or ${certain + possible}`;
}

function summary(path: Path, chars: Charset): string {
  const used = new Set(path.hops.map(({ cost }) => cost));
  const costs = (Object.keys(legend) as HopCost[]).filter((cost) => used.has(cost));
  const key = costs.map((cost) => `${chars.strokes[cost].across.repeat(2)}${chars.arrows.right} ${legend[cost]}`);
  const dma = path.hops.filter(({ cost }) => cost === "dma").length;
  const totals = [`CPU copies ${cpuCopies(path)}`, `mode switches ${modeSwitches(path)} ${path.per}`, `DMA ${dma}`];
  return [key.join("   "), totals.join(chars.separator), ...path.notes].join("\n");
}
