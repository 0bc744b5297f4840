/** PURE: what helps where an app's file went through JavaScript: a remedy for every reason that report() gives. */

/** What is wrong, for those who read what is told; the first row whose beginning fits serves. */
type Row = readonly [reason: RegExp, remedy: string];

const agent =
  "Something wants to see the bytes: an agent that measures, or a wrapper of the app's. Load Sluice after it " +
  "where it need not see bodies, or leave such routes to it.";
const compression =
  "Something wraps the response to see its bytes, as compression() does. Mount it behind the static files, and lay " +
  "compressed copies (.br, .gz) beside the files where they are to leave compressed.";
const readElsewhere =
  "Pipe the stream to the response at once, and to it alone; read nothing of it before, and add no 'data' or 'readable' listener.";
const midway =
  "It happened on the way. Ask again; where it comes back, look for who pauses, unpipes or ends in the app.";
const none = "Nothing: there are no bytes to send. Ask for a file that has some.";
const tls =
  "Nothing within this process: what is encrypted has to pass it. End TLS in a proxy before the app, and let the app speak plain HTTP.";
const asIs = "Serve regular files: of any other kind only a read tells the end.";
const path = "Open the file by its path, or give `start` with the descriptor.";
const fsOption = "Leave the `fs` option of the stream out, and node:fs as it is (mocks, virtual file systems).";

const remedies: readonly Row[] = [
  [/^the response's write has been replaced/, compression],
  [/^the (stream|socket|file|request)'s \w+ has been replaced/, agent],
  [
    /^the target is not a response, socket or file but /,
    "Something stands between the file and the response: a compressor, a throttle, another transform. Pipe the file to the response itself.",
  ],
  [
    /^the source is not a file, a socket or a message of node:http but /,
    "Something stands between the bytes and their target: a transform, or a client of another kind. Pipe the file, or an answer of http.request().",
  ],
  [/^HTTP\/2 is unpacked /, "Nothing: HTTP/2 cuts its bodies up in the process. Let the peer speak HTTP/1.1."],
  [/^the stream was unpiped before/, readElsewhere],
  [/^the stream was read before|^the stream has been read in part|^the stream is piped to several/, readElsewhere],
  [/^somebody else reads the stream/, readElsewhere],
  [
    /^somebody else reads the connection/,
    "Add no 'data' or 'readable' listener to the connection of a message: what it is to see can't go past it.",
  ],
  [
    /^the body is too small|^too little of the body (was|is) left/,
    "Nothing: so small a body costs no less on its way past JavaScript.",
  ],
  [
    /^the body comes in chunks|^the body ends with its connection|^the message tells no length/,
    "Have the sender name the length of its body (Content-Length), where it knows it.",
  ],
  [
    /^the message has (several lengths|too many headers)|^the message's length is not a plain number/,
    "Have the sender name the length once, as a plain number, and raise `maxHeadersCount` where there are more headers.",
  ],
  [
    /^the message (is piped|has come to its end)|^the connection (waits for its answers|has been read ahead)/,
    "Transfer a message as soon as it comes, and before anything else reads it.",
  ],
  [
    /^the message is not the one that its connection is at|^the connection is upgraded/,
    "Pipe a message while its body comes. After an upgrade pipe the socket.",
  ],
  [/^it was piped by other means|^the target was given more or less/, readElsewhere],
  [
    /^the stream is decoded/,
    "Call no setEncoding(), and give createReadStream() no encoding: send the bytes as they are.",
  ],
  [/^the stream (is|was) (paused|unpiped|destroyed)/, midway],
  [/^the target was (ended|closed)|^the peer has gone|^the connection was closed before/, midway],
  [/^the (file|socket) is closed for writing|^the file is not open|^the (response|request) has ended/, midway],
  [/^the target is corked/, "Call uncork() before the file is piped."],
  [
    /^the (response|request) (was written to meanwhile|still has output)/,
    "Write nothing to the response while a file is piped to it.",
  ],
  [
    /^the (response|request) is not the first of its connection/,
    "Nothing: it waits for an earlier answer of its connection.",
  ],
  [/^the file is (read|written) by other functions/, fsOption],
  [/^the descriptor is read from its own position/, path],
  [/^the source is not a regular file|^the file's size is not its length/, asIs],
  [/^source and target are the same file/, "Nothing: a file can't be copied onto itself."],
  [/^TLS (encrypts|decrypts) in the process/, tls],
  [
    /^the message's connection has no parser/,
    "Let node:http itself read the connection: a message of another server or client has no parser to go by.",
  ],
  [
    /^the (response|request|message)'s connection is not a socket of node:net|^the socket has no handle|^the socket's handle shows no descriptor|^the target has no descriptor/,
    "Let the app answer on connections of node:http itself: those of other servers show no descriptor.",
  ],
  [/^this response has no body/, "Ask with GET, for an answer that has one: HEAD, 204 and 304 have none."],
  [/^there is nothing to send/, none],
  [/^strictContentLength counts in JavaScript/, "Leave `strictContentLength` out: Node counts each write for it."],
  [/^what a hand-over relies on in .* is being tried/, "Ask again: the process has just begun."],
  [
    /failed the trial of |can't be tried: |^nothing is handed over from |^node:http's parser /,
    "This runtime does something else than is relied on. Use another release of it, and report this one with its reason.",
  ],
  [/^switched off by /, "Start the app without SLUICE_DISABLE."],
  [
    /^Deno may have a read of the socket|^Bun's node:http shows no descriptors/,
    "Nothing with node:http of this runtime. Answer with sluice/fetch, or run the app on Node.",
  ],
];

/** What helps where no engine is: its reason is the loader's. */
export const withoutEngine =
  "Run `sluice doctor` in the app's folder, as the app's user and with its environment: it says where the engine was looked for.";

/** Undefined for what no row knows, such as an error of the kernel. */
export function remedyFor(reason: string): string | undefined {
  return remedies.find(([pattern]) => pattern.test(reason))?.[1];
}
