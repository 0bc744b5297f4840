/** A process of the experiment: told what to do over the channel that it was forked with. */
import process from "node:process";
import type { Report } from "../../core/transfer/report.ts";
import { describeFailure } from "../exit.ts";
import { type Inlet, type Method, openInlet, openOutlet, type Outlet, type Sizes } from "./methods.ts";

export type Order =
  | { readonly kind: "make"; readonly method: Method; readonly sizes: Sizes }
  | { readonly kind: "open"; readonly method: Method; readonly path: string }
  | { readonly kind: "send"; readonly file: string }
  | { readonly kind: "receive"; readonly target: string };

/** What moving the bytes took in one process. Times are of the clock that all processes share, in nanoseconds. */
export interface Share {
  readonly startNs: number;
  readonly endNs: number;
  /** User and system time of the whole process, in nanoseconds. */
  readonly cpuNs: number;
  readonly report: Report;
}

export type Answer =
  | { readonly kind: "path"; readonly path: string }
  | { readonly kind: "opened" }
  | { readonly kind: "share"; readonly share: Share }
  | { readonly kind: "failed"; readonly code: string | undefined; readonly message: string };

let outlet: Outlet | undefined;
let inlet: Inlet | undefined;

async function measured(work: () => Promise<Report>): Promise<Answer> {
  const before = process.cpuUsage();
  const startNs = Number(process.hrtime.bigint());
  const report = await work();
  const endNs = Number(process.hrtime.bigint());
  const { user, system } = process.cpuUsage(before);
  return { kind: "share", share: { startNs, endNs, cpuNs: (user + system) * 1000, report } };
}

const orders: { readonly [K in Order["kind"]]: (order: Extract<Order, { kind: K }>) => Promise<Answer> } = {
  async make({ method, sizes }) {
    outlet = await openOutlet(method, sizes);
    return { kind: "path", path: outlet.path };
  },
  async open({ method, path }) {
    inlet = await openInlet(method, path);
    return { kind: "opened" };
  },
  async send({ file }) {
    if (outlet === undefined) throw new Error("There is nothing to send through");
    try {
      return await measured(outlet.send.bind(outlet, file));
    } finally {
      // However it went: the other process waits until it hears of it.
      outlet.close();
    }
  },
  async receive({ target }) {
    if (inlet === undefined) throw new Error("There is nothing to receive from");
    try {
      return await measured(inlet.receive.bind(inlet, target));
    } finally {
      inlet.close();
    }
  },
};

async function obey(order: Order): Promise<Answer> {
  try {
    return await (orders[order.kind] as (order: Order) => Promise<Answer>)(order);
  } catch (error) {
    const { code, message } = describeFailure(order.kind, error);
    return { kind: "failed", code, message: message.replace(/^Cannot \w+: /, "") };
  }
}

// Also what ends this process when its parent is gone.
process.on("disconnect", () => process.exit());
process.on("message", (order: Order) => {
  // Whoever has loaded this and more may talk about that over the same channel.
  if (Object.hasOwn(orders, order.kind)) void obey(order).then((answer) => process.send?.(answer));
});
