/** `node build/test/run.js`, as test/runner/main.ts says. */
import "./runner/main.ts";
