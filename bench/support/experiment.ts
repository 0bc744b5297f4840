/** The processes of `sluice ipc`. By URL, because they are compiled to another folder than they lie in from here. */
import type * as Module from "../../adapters/cli/ipc/experiment.ts";

const compiled = new URL("../../../dist/adapters/cli/ipc/experiment.js", import.meta.url);

export const { Experiment } = (await import(compiled.href)) as typeof Module;
export type Experiment = Module.Experiment;
