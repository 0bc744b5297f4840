/** The connections to upstreams that are kept for a next request. */
import * as http from "node:http";
import * as https from "node:https";

/**
 * How long one is kept, where the upstream doesn't say so itself (`Keep-Alive: timeout=`): less than servers keep theirs, of which
 * Node's is the one with the least patience, 5 s. Milliseconds.
 */
const keptMs = 4000;

const options = { keepAlive: true, timeout: keptMs, maxFreeSockets: 256 } as const;

let plain: http.Agent | undefined;
let encrypted: https.Agent | undefined;

export const sharedAgent = (isEncrypted: boolean): http.Agent =>
  isEncrypted ? (encrypted ??= new https.Agent(options)) : (plain ??= new http.Agent(options));
