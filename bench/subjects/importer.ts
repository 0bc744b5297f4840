/** Imports the module that it is told, and prints how many milliseconds that took: run in a process of its own. */

const [, , name = ""] = process.argv;
const start = performance.now();
await import(name);
console.log(performance.now() - start);
