/** Numbers and tables for people. Units are binary: 1 KiB is 1024 bytes. */

const units = ["bytes", "KiB", "MiB", "GiB", "TiB", "PiB"] as const;

/** "1 byte", "512 bytes", "1.5 KiB", "64 MiB". */
export function formatBytes(bytes: number): string {
  let value = bytes;
  let unit = 0;
  // Rounding to one decimal must not give 1024.0 of a unit.
  while (value >= 1023.95 && unit < units.length - 1) {
    value /= 1024;
    unit++;
  }
  if (unit === 0) return bytes === 1 ? "1 byte" : `${bytes} bytes`;
  return `${Number.isInteger(value) ? value : value.toFixed(1)} ${units[unit]}`;
}

/** "0.41 s", "12.30 s", "3 min 20 s". */
export function formatDuration(seconds: number, decimals = 2): string {
  if (seconds < 60) return `${seconds.toFixed(decimals)} s`;
  return `${Math.floor(seconds / 60)} min ${Math.floor(seconds % 60)} s`;
}

/** "2.4 GiB/s"; "-" before any time has passed. */
export function formatRate(bytes: number, seconds: number): string {
  return seconds > 0 ? `${formatBytes(Math.round(bytes / seconds))}/s` : "-";
}

/** Lines of aligned columns; the last one is wrapped to the width and hangs in its own column. */
export function table(rows: readonly (readonly string[])[], width: number, indent = 2): string {
  const columns = Math.max(0, ...rows.map((row) => row.length));
  const widths = Array.from({ length: columns - 1 }, (_, i) => Math.max(0, ...rows.map((row) => row[i]?.length ?? 0)));
  const hang = indent + widths.reduce((sum, columnWidth) => sum + columnWidth + 2, 0);
  return rows
    .map((row) => {
      const cells = widths.map((columnWidth, i) => `${(row[i] ?? "").padEnd(columnWidth)}  `).join("");
      const last = wrap(row[columns - 1] ?? "", Math.max(20, width - hang));
      return `${" ".repeat(indent)}${cells}${last.join(`\n${" ".repeat(hang)}`)}`.trimEnd();
    })
    .join("\n");
}

function wrap(text: string, width: number): string[] {
  const lines: string[] = [];
  let line = "";
  for (const word of text.split(" ")) {
    if (line !== "" && line.length + 1 + word.length > width) {
      lines.push(line);
      line = word;
    } else line = line === "" ? word : `${line} ${word}`;
  }
  return [...lines, line];
}
