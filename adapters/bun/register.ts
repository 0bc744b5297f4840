/** `sluice/register`: see node/register.ts. */
import { register } from "../../lib/streams/register.ts";
import { bun } from "./ffi.ts";

register(bun);
