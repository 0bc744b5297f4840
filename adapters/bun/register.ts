/** `sluice/register`: see node/register.ts. */
import { register } from "../../lib/streams/register.ts";
import { bun } from "./runtime.ts";

register(bun);
