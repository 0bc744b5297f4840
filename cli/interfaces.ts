/** What the network interfaces do by themselves. */
import { interfaceFeatures, type InterfaceFeatures } from "../adapters/node.ts";
import { interfaceNames } from "./host.ts";

export interface InterfaceReport {
  readonly name: string;
  readonly features: InterfaceFeatures | undefined;
  /** Why the features aren't known. */
  readonly reason: string | undefined;
}

/** Asks the named interfaces, or all. */
export function inspectInterfaces(names: readonly string[] = interfaceNames()): readonly InterfaceReport[] {
  return names.map((name) => {
    try {
      return { name, features: interfaceFeatures(name), reason: undefined };
    } catch (error) {
      if (!(error instanceof Error)) throw error;
      return { name, features: undefined, reason: error.message };
    }
  });
}
