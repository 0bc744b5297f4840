/** What an editor shows: the language server of TypeScript, asked for hovers. */
import { spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import process from "node:process";
import { pathToFileURL } from "node:url";
import { root } from "./root.ts";

interface Message {
  readonly id?: number;
  readonly method?: string;
  readonly params?: { readonly items?: readonly unknown[] };
  readonly result?: unknown;
}

interface Hover {
  readonly contents: { readonly value: string };
}

/** Cuts the messages out of what a server writes. */
function reader(heard: (message: Message) => void): (chunk: Buffer) => void {
  let rest: Buffer = Buffer.alloc(0);
  return (chunk) => {
    rest = Buffer.concat([rest, chunk]);
    for (;;) {
      const end = rest.indexOf("\r\n\r\n");
      const length = Number(/Content-Length: (\d+)/i.exec(rest.toString("latin1", 0, Math.max(end, 0)))?.[1]);
      const next = end + 4 + length;
      if (end < 0 || rest.length < next) return;
      const message = rest.toString("utf8", end + 4, next);
      rest = rest.subarray(next);
      heard(JSON.parse(message) as Message);
    }
  };
}

/** What is shown at each place of a file, by index into its text; "" where nothing is. */
export async function hovers(file: string, places: readonly number[]): Promise<readonly string[]> {
  const text = readFileSync(file, "utf8");
  const uri = pathToFileURL(file).href;
  const server = spawn(process.execPath, [join(root, "node_modules/typescript/bin/tsc"), "--lsp", "--stdio"], {
    cwd: dirname(file),
    stdio: ["pipe", "pipe", "ignore"],
  });
  const waiting = new Map<number, (result: unknown) => void>();
  const ended = new Promise<never>((_, reject) => {
    server.once("exit", () => reject(new Error("The language server has ended")));
  });
  const send = (message: object) => {
    const body = JSON.stringify({ jsonrpc: "2.0", ...message });
    server.stdin.write(`Content-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`);
  };
  let asked = 0;
  const ask = (method: string, params: object): Promise<unknown> => {
    asked += 1;
    const answer = new Promise((resolve) => void waiting.set(asked, resolve));
    send({ id: asked, method, params });
    return Promise.race([answer, ended]);
  };
  server.stdout.on(
    "data",
    reader(({ id, method, params, result }) => {
      if (id === undefined) return;
      if (method === undefined) waiting.get(id)?.(result);
      // It asks for its settings, among others: there are none.
      else send({ id, result: params?.items?.map(() => null) ?? null });
    }),
  );
  try {
    await ask("initialize", {
      processId: process.pid,
      rootUri: pathToFileURL(dirname(file)).href,
      capabilities: { textDocument: { hover: { contentFormat: ["markdown"] } } },
    });
    send({ method: "initialized", params: {} });
    send({
      method: "textDocument/didOpen",
      params: { textDocument: { uri, languageId: "typescript", version: 1, text } },
    });
    const shown: string[] = [];
    for (const place of places) {
      const lines = text.slice(0, place).split("\n");
      const position = { line: lines.length - 1, character: lines.at(-1)?.length ?? 0 };
      const hover = (await ask("textDocument/hover", { textDocument: { uri }, position })) as Hover | null;
      shown.push(hover?.contents.value ?? "");
    }
    return shown;
  } finally {
    ended.catch(() => undefined);
    server.kill();
  }
}
