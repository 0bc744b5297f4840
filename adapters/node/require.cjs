/**
 * What is required when it is first needed: importing sluice must cost nothing where koffi is absent or forbidden. This
 * is CommonJS because bundlers and tracers follow `require` there, and not one that createRequire() has made.
 */
module.exports = {
  koffi: () => require("koffi"),
  workerThreads: () => require("node:worker_threads"),
};
