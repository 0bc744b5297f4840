/** The page's style. It loads nothing, and no font but the reader's own. */
export const style = `
:root {
  color-scheme: light dark;
  --paper: #fbfaf7; --card: #ffffff; --ink: #201f1c; --muted: #6d6a63; --line: #e4e0d8; --code: #f4f1ea;
  --good: #13795b; --bad: #b3261e; --warn: #8a6100;
  --sluice-1: #00786f; --sluice-2: #3aa394; --sluice-3: #0f5f8c; --sluice-4: #5b8f2a; --sluice-5: #6c7f00;
  --rival-1: #d2571b; --rival-2: #7c4dbd; --rival-3: #c02f74; --rival-4: #9a6a00; --rival-5: #a33b2d; --rival-6: #5965c9;
  --limit-1: #55524b; --limit-2: #8d8980; --limit-3: #7b8aa0; --limit-4: #a59273; --limit-5: #6f7f6d; --limit-6: #98798a;
}
@media (prefers-color-scheme: dark) {
  :root {
    --paper: #151618; --card: #1d1f22; --ink: #e9e7e2; --muted: #a09c93; --line: #33363b; --code: #17181a;
    --good: #55c79f; --bad: #ff8a80; --warn: #e6b450;
    --sluice-1: #3fd0c0; --sluice-2: #8be3d8; --sluice-3: #6cb8e6; --sluice-4: #a6d56b; --sluice-5: #cfdc5a;
    --rival-1: #ff9a5c; --rival-2: #b996f2; --rival-3: #ff86b8; --rival-4: #e6b450; --rival-5: #f08a7c; --rival-6: #98a2ff;
    --limit-1: #c9c5bb; --limit-2: #96928a; --limit-3: #9db0cb; --limit-4: #cdb892; --limit-5: #9db59a; --limit-6: #c7a3b6;
  }
}
* { box-sizing: border-box; }
html { -webkit-text-size-adjust: 100%; }
body { margin: 0; background: var(--paper); color: var(--ink);
  font: 16px/1.55 ui-sans-serif, system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", sans-serif; }
main, header, footer { max-width: 1080px; margin: 0 auto; padding: 0 24px; }
header { padding-top: 40px; }
h1 { font-size: clamp(1.7rem, 5vw, 2.5rem); line-height: 1.15; letter-spacing: -0.02em; margin: 0 0 8px; }
h2 { font-size: 1.45rem; letter-spacing: -0.01em; margin: 56px 0 4px; padding-top: 12px; border-top: 2px solid var(--ink); }
h3 { font-size: 1.08rem; margin: 0 0 4px; line-height: 1.3; }
h4 { font-size: 0.92rem; margin: 20px 0 4px; color: var(--muted); font-weight: 600; }
p { margin: 6px 0; }
a { color: inherit; text-underline-offset: 3px; }
.lead, .note { color: var(--muted); }
.note { font-size: 0.88rem; }
nav { display: flex; flex-wrap: wrap; gap: 8px; margin: 20px 0 0; }
nav a { padding: 4px 12px; border: 1px solid var(--line); border-radius: 99px; text-decoration: none; font-size: 0.9rem; background: var(--card); }
nav a:hover, nav a:focus-visible { border-color: var(--ink); }
.card { background: var(--card); border: 1px solid var(--line); border-radius: 12px; padding: 20px 22px; margin: 18px 0; min-width: 0; }
.noise { border-left: 4px solid var(--good); padding: 10px 14px; background: var(--card); border-radius: 6px; margin: 18px 0; }
.noise.loud { border-left-color: var(--warn); }
.facts { display: grid; grid-template-columns: repeat(auto-fit, minmax(210px, 1fr)); gap: 10px 24px; margin: 18px 0 0; font-size: 0.9rem; }
.facts div { min-width: 0; overflow-wrap: anywhere; }
.facts dt { color: var(--muted); font-size: 0.8rem; }
.facts dd { margin: 0; }
.legend { display: flex; flex-wrap: wrap; gap: 4px 16px; margin: 10px 0 4px; padding: 0; list-style: none; font-size: 0.86rem; }
.legend i { display: inline-block; width: 18px; height: 0; border-top: 3px solid; margin-right: 6px; vertical-align: middle; }
.legend .limit i { border-top-style: dashed; border-top-width: 2px; }
.pair { display: grid; gap: 8px 28px; grid-template-columns: repeat(auto-fit, minmax(min(100%, 440px), 1fr)); }
.plot { overflow: hidden; }
.plot svg { display: block; max-width: 100%; height: auto; overflow: visible; }
.plot.narrow { display: none; }
.plot [aria-label$="grid"] { stroke: var(--line); stroke-opacity: 1; }
table { border-collapse: collapse; width: 100%; font-size: 0.87rem; margin-top: 10px; font-variant-numeric: tabular-nums; }
th { text-align: right; font-weight: 600; color: var(--muted); font-size: 0.78rem; padding: 4px 8px; border-bottom: 1px solid var(--ink); vertical-align: bottom; }
td { text-align: right; padding: 5px 8px; border-bottom: 1px solid var(--line); vertical-align: top; overflow-wrap: anywhere; }
th:first-child, td:first-child, td.text, th.text { text-align: left; }
td small { color: var(--muted); display: block; }
tr.sluice td { background: color-mix(in srgb, var(--sluice-1) 8%, transparent); }
tr.sluice td:first-child { font-weight: 650; }
.mark { display: inline-block; font-size: 0.74rem; font-weight: 700; letter-spacing: 0.03em; padding: 1px 8px; border-radius: 99px; border: 1px solid currentColor; white-space: nowrap; }
.good { color: var(--good); } .bad { color: var(--bad); } .warn { color: var(--warn); } .quiet { color: var(--muted); }
details { margin-top: 10px; }
summary { cursor: pointer; color: var(--muted); font-size: 0.9rem; }
.path { display: grid; grid-template-columns: minmax(0, 1fr) 230px; gap: 12px 24px; align-items: start; }
.path pre { margin: 0; padding: 14px; background: var(--code); border-radius: 8px; overflow-x: auto; container-type: inline-size;
  font: 12px/1.18 ui-monospace, SFMono-Regular, Menlo, "DejaVu Sans Mono", Consolas, monospace; }
.path pre code { font-size: clamp(5.4px, calc(100cqi / 49.5), 12px); font-family: inherit; }
.red { color: var(--bad); } .yellow { color: var(--warn); } .green { color: var(--good); } .cyan { color: var(--sluice-3); } .bold { font-weight: 700; }
.counted { margin: 0; font-size: 0.88rem; }
.counted div { display: flex; justify-content: space-between; gap: 12px; border-bottom: 1px solid var(--line); padding: 3px 0; }
.counted dt { color: var(--muted); } .counted dd { margin: 0; text-align: right; font-variant-numeric: tabular-nums; }
.claim { border-top: 1px solid var(--line); padding: 16px 0; }
.claim:first-of-type { border-top: 0; }
.claim blockquote { margin: 6px 0 8px; font-size: 1.02rem; font-weight: 550; }
.claim dl { display: grid; grid-template-columns: 110px minmax(0, 1fr); gap: 4px 14px; margin: 0; font-size: 0.92rem; }
.claim dt { color: var(--muted); } .claim dd { margin: 0; overflow-wrap: anywhere; }
footer { color: var(--muted); font-size: 0.85rem; padding: 40px 24px 60px; overflow-wrap: anywhere; }
@media (max-width: 760px) {
  main, header { padding-left: 14px; padding-right: 14px; }
  header { padding-top: 24px; }
  .card { padding: 16px 12px; border-radius: 10px; }
  .plot.wide { display: none; } .plot.narrow { display: block; }
  .path { grid-template-columns: minmax(0, 1fr); }
  .path pre { padding: 10px 8px; }
  .claim dl { grid-template-columns: minmax(0, 1fr); gap: 0; } .claim dd { margin-bottom: 6px; }
  table.stack thead { display: none; }
  table.stack tr { display: grid; grid-template-columns: 1fr 1fr; gap: 0 14px; padding: 10px 6px; border-bottom: 1px solid var(--line); }
  table.stack td { display: flex; justify-content: space-between; gap: 8px; text-align: right; border: 0; padding: 1px 0; background: none !important; }
  table.stack td:empty { display: none; }
  table.stack td[data-label]::before { content: attr(data-label); color: var(--muted); text-align: left; font-size: 0.8rem; }
  table.stack td:first-child, table.stack td.text { grid-column: 1 / -1; display: block; text-align: left; }
  table.stack td:first-child { font-weight: 650; }
  tr.sluice { background: color-mix(in srgb, var(--sluice-1) 8%, transparent); }
}
@media print { nav { display: none; } .card { break-inside: avoid; } }
`;
