/** A folder as a web page that needs nothing else: no script, no font, no picture from anywhere. */
import { createHash } from "node:crypto";
import { formatBytes } from "../format.ts";
import type { Entry, Folder } from "./folder.ts";

const style = `
:root{color-scheme:light dark;--text:#1c2024;--dim:#667079;--line:#e3e6e9;--paper:#fff;--hover:#f3f6f9;--link:#0b62c4}
@media(prefers-color-scheme:dark){:root{--text:#e6e9ec;--dim:#98a2ab;--line:#2b3137;--paper:#14171a;--hover:#1d2226;--link:#6db3ff}}
*{box-sizing:border-box}
body{margin:0 auto;max-width:60rem;padding:1.25rem max(1rem,env(safe-area-inset-left)) 3rem;background:var(--paper);color:var(--text);font:1rem/1.4 system-ui,sans-serif}
h1{margin:0 0 1rem;font-size:1.15rem;font-weight:600;overflow-wrap:anywhere}
h1 span{color:var(--dim);font-weight:400}
a{color:var(--link);text-decoration:none}
a:focus-visible{outline:2px solid var(--link);outline-offset:-2px}
ul{margin:0;padding:0;list-style:none;border-top:1px solid var(--line)}
li{border-bottom:1px solid var(--line)}
li a{display:grid;grid-template-columns:1.5rem minmax(0,1fr) 6.5rem 9.5rem;gap:0 .75rem;align-items:baseline;padding:.7rem .5rem;color:var(--text)}
li a:hover{background:var(--hover)}
b{font-weight:400;overflow-wrap:anywhere}
.folder b{color:var(--link);font-weight:500}
svg{width:1.25rem;height:1.25rem;align-self:center;fill:none;stroke:var(--dim);stroke-width:1.5;stroke-linejoin:round}
.folder svg{stroke:var(--link)}
i,time{color:var(--dim);font-size:.875rem;font-style:normal;font-variant-numeric:tabular-nums;white-space:nowrap;text-align:right}
p{color:var(--dim);font-size:.875rem}
@media(max-width:40rem){li a{grid-template-columns:1.5rem minmax(0,1fr) auto;padding:.7rem .25rem}b{grid-column:2/4}i{grid-column:2;text-align:left}time{grid-column:3}svg{grid-row:1/3}.folder i{display:none}.folder time{grid-column:2/4;text-align:left}.up svg{grid-row:1}}
`;

/** Allows the one style sheet above, the empty icon, and nothing else whatever. */
export const contentSecurityPolicy = [
  "default-src 'none'",
  `style-src 'sha256-${createHash("sha256").update(style).digest("base64")}'`,
  "img-src data:",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join("; ");

const icons = {
  folder: '<svg viewBox="0 0 20 20" aria-hidden="true"><path d="M2.5 5v10.5h15V7H10L8 5z"/></svg>',
  file: '<svg viewBox="0 0 20 20" aria-hidden="true"><path d="M4.5 2.5v15h11V7L11 2.5zM11 2.5V7h4.5"/></svg>',
  up: '<svg viewBox="0 0 20 20" aria-hidden="true"><path d="M10 16V4.5M5 9.5l5-5 5 5"/></svg>',
} as const;

const escapes: Readonly<Record<string, string>> = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  '"': "&quot;",
  "'": "&#39;",
};

export const escapeHtml = (text: string): string => text.replace(/[&<>"']/g, (character) => escapes[character] ?? "");

/**
 * The page of a folder. Its links are relative, so it has to be answered under a URL that ends with a slash.
 *
 * @param names the path from the root to the folder, a name at a time
 */
export function renderFolder(names: readonly string[], { entries, omitted }: Folder): string {
  const up = names.length === 0 ? "" : `<li class="up"><a href="../">${icons.up}<b>Parent folder</b></a></li>\n`;
  const rest = omitted === 0 ? "" : `<p>and ${omitted} more that are not shown</p>\n`;
  const empty = entries.length + omitted === 0 ? "<p>This folder is empty.</p>\n" : "";
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width,initial-scale=1">
<title>${escapeHtml(`/${names.join("/")}`)}</title>
<link rel="icon" href="data:,">
<style>${style}</style>
</head>
<body>
<h1>${renderTrail(names)}</h1>
<ul>
${up}${entries.map((entry) => `${renderEntry(entry)}\n`).join("")}</ul>
${rest}${empty}</body>
</html>
`;
}

/** The path, each folder above the last one a link. */
function renderTrail(names: readonly string[]): string {
  const steps = ["Home", ...names].map((name, i) => {
    const above = names.length - i;
    const label = escapeHtml(name);
    return above === 0 ? label : `<a href="${"../".repeat(above)}">${label}</a>`;
  });
  return steps.join(" <span>/</span> ");
}

function renderEntry({ name, kind, size, modified }: Entry): string {
  const slash = kind === "folder" ? "/" : "";
  const label = `${icons[kind]}<b>${escapeHtml(name)}${slash}</b>`;
  const facts = `<i>${size === undefined ? "" : formatBytes(size)}</i>${renderTime(modified)}`;
  return `<li class="${kind}"><a href="${encodeURIComponent(name)}${slash}">${label}${facts}</a></li>`;
}

function renderTime(time: Date): string {
  const iso = time.toISOString();
  return `<time datetime="${iso}" title="UTC">${iso.slice(0, 10)} ${iso.slice(11, 16)}</time>`;
}
