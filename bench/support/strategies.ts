/** Core's own table of mechanisms. By URL, because core is compiled to another folder than it lies in from here. */
import type * as Strategies from "../../core/strategies.ts";

const table = new URL("../../../dist/core/strategies.js", import.meta.url);

export const { strategies } = (await import(table.href)) as typeof Strategies;
