/** `sluice/register`: see node/register.ts. */
import { register } from "../../lib/streams/register.ts";
import { deno } from "./ffi.ts";

register(deno);
