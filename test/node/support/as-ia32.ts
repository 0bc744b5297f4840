/** Makes this process one of a platform that no library is built for. */
import process from "node:process";

Object.defineProperty(process, "arch", { value: "ia32" });
