/**
 * `sluice/register`: an unchanged app sends its files past JavaScript.
 *
 *     node --import sluice/register app.js        (or --require)
 *
 * Every `fs.ReadStream` that is piped to a plain HTTP response, a plain socket or an `fs.WriteStream` is handed to
 * the kernel, and so are the bodies of HTTP messages that come from a plain connection, with 1 MiB or more to come; all other streams, and TLS, HTTP/2, compression and the like, go Node's own way.
 *
 * Without the engine a process warning says why, once (`SLUICE_PORTABLE`). `SLUICE_DISABLE=1` switches it off.
 * `SLUICE_DEBUG=1` (or `NODE_DEBUG=sluice`) says on stderr which way each stream went and why, as does the
 * diagnostics channel `sluice:transfer`.
 */
import { register } from "../../lib/streams/register.ts";
import { node } from "./runtime.ts";

register(node);
