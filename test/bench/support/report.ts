/** A report of made-up figures: what its machine is like, around the sections that a test gives it. */
import { buildReport } from "#bench/report/build.js";
import type { BenchReport, ReportSection } from "#bench/report/schema.js";

export const reportOf = (suites: Readonly<Record<string, readonly ReportSection[]>>): BenchReport =>
  buildReport({
    version: "1.2.3",
    mode: "quick",
    rounds: 5,
    created: new Date(0),
    durationS: 60,
    environment: {
      kernel: "6.1",
      arch: "x64",
      cpu: "A processor",
      cores: 2,
      virtual: true,
      memoryBytes: 2 ** 33,
      engine: "loaded",
      filesystems: [{ folder: "/tmp", type: "ext4" }],
      interfaces: [{ name: "eth0", scatterGather: true, tso: true, txChecksum: false }],
      versions: { node: "20.0.0" },
      settings: { "net.ipv4.tcp_wmem": "4096 16384 4194304" },
      privileged: false,
    },
    observed: { loadAtStart: 0.1, loadAtEnd: 0.2, stolen: 0, cores: 2 },
    suites,
  });
