/** What a measured process runs: one task, named by its parent, so that every figure is of that task alone. */
import { mapFile, reflink } from "./mapping.ts";
import { sendMemory } from "./memory.ts";
import { cost, endurance, send, smallBody } from "./sending.ts";

const tasks = { cost, endurance, map: mapFile, memory: sendMemory, reflink, send, smallBody };

export type TaskName = keyof typeof tasks;
export type TaskInput<N extends TaskName> = Parameters<(typeof tasks)[N]>[0];
export type TaskOutput<N extends TaskName> = Awaited<ReturnType<(typeof tasks)[N]>>;

export interface TaskOrder<N extends TaskName = TaskName> {
  readonly task: N;
  readonly input: TaskInput<N>;
}

export type TaskAnswer =
  | { readonly kind: "port"; readonly port: number }
  | { readonly kind: "result"; readonly output: unknown }
  | { readonly kind: "failed"; readonly message: string };

function tell(answer: TaskAnswer): Promise<void> {
  return new Promise((resolve, reject) => {
    process.send?.(answer, (error: Error | null) => (error ? reject(error) : resolve()));
  });
}

async function obey<N extends TaskName>({ task, input }: TaskOrder<N>): Promise<void> {
  const run = tasks[task] as (input: TaskInput<N>, announce: (port: number) => void) => Promise<unknown>;
  const answer = await run(input, (port) => void tell({ kind: "port", port })).then(
    (output): TaskAnswer => ({ kind: "result", output }),
    (error: unknown): TaskAnswer => ({
      kind: "failed",
      message: error instanceof Error ? error.message : String(error),
    }),
  );
  await tell(answer);
  process.disconnect();
}

// Also what ends this process when its parent is gone.
process.on("disconnect", () => process.exit());

process.once("message", (order: TaskOrder) => void obey(order));
