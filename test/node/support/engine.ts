/** Prints what this process has of an engine. */
import { capabilities } from "sluice";

console.log(JSON.stringify(capabilities().engine));
