/** `node build/test/run.js` is `npm test` without npm: it builds what has changed, and itself. */
await import(new URL("../../.ci/build/test.mjs", import.meta.url).href);
