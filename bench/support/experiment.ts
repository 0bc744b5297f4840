/** The processes of `sluice ipc`. */
export { Experiment } from "#cli/ipc/experiment.js";
