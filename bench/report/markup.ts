/** Markup by template: what is filled in is escaped, unless it is markup itself. */

export class Markup {
  readonly text: string;
  constructor(text: string) {
    this.text = text;
  }
}

const entities: Readonly<Record<string, string>> = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;" };

export const escape = (text: string): string => text.replace(/[&<>"]/g, (character) => entities[character] ?? "");

export type Part = Markup | string | number | readonly Part[];

function render(part: Part): string {
  if (part instanceof Markup) return part.text;
  return Array.isArray(part) ? part.map(render).join("") : escape(String(part));
}

export function html(strings: TemplateStringsArray, ...parts: readonly Part[]): Markup {
  return new Markup(strings.map((string, i) => string + (i < parts.length ? render(parts[i] ?? "") : "")).join(""));
}

export interface Column<T> {
  readonly head: string;
  readonly kind?: "text";
  readonly cell: (row: T) => Part;
}

/** A table whose rows are cards on a narrow screen, each cell after the name of its column. */
export function table<T>(columns: readonly Column<T>[], rows: readonly T[], classOf?: (row: T) => string): Markup {
  const cells = (row: T) =>
    columns.map(
      ({ head, kind = "", cell }, i) =>
        html`<td class="${kind}" data-label="${i === 0 ? "" : `${head} `}">${cell(row)}</td>`,
    );
  return html`<table class="stack">
    <thead>
      <tr>
        ${columns.map(({ head, kind = "" }) => html`<th class="${kind}">${head}</th>`)}
      </tr>
    </thead>
    <tbody>
      ${rows.map(
        (row) =>
          html`<tr class="${classOf?.(row) ?? ""}">
            ${cells(row)}
          </tr>`,
      )}
    </tbody>
  </table>`;
}

/** Names, each with what there is to say. */
export function definitions(kind: string, facts: readonly (readonly [string, string])[]): Markup {
  const one = ([name, value]: readonly [string, string]) =>
    html`<div>
      <dt>${name}</dt>
      <dd>${value}</dd>
    </div>`;
  return html`<dl class="${kind}">${facts.map(one)}</dl>`;
}
