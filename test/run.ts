/** `node build/test/run.js` is `npm test` without npm: it builds what has changed, and itself. */
await import(new URL("../../tools/test.mjs", import.meta.url).href);
