/** What is known of node:http, loaded when the first message comes: node:http is slow to load, and is there by then. */
import { codeOf } from "../support/system-error.ts";

type Knowledge = typeof import("../streams/messages.ts");

/** Or why it can't be had: Node 20 keeps an import() that failed, such as for want of a descriptor, for good. */
export async function loadMessages(): Promise<Knowledge | string> {
  try {
    return await import("../streams/messages.ts");
  } catch (error) {
    return `what is known of node:http can't be loaded (${codeOf(error) ?? String(error)})`;
  }
}
