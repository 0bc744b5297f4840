/** Sends files to responses on sockets of node:net by the engine. */
import type { ServerResponse } from "node:http";
import { withPaths } from "../../core/error.ts";
import type { RequestEnd } from "../../lib/fetch/request-end.ts";
import { truncated } from "../../lib/fetch/send.ts";
import type { SendFile } from "../../lib/fetch/traits.ts";
import { currentRuntime } from "../../lib/current.ts";
import { machineOf } from "../../lib/engine/machine.ts";
import { closeFd } from "../../lib/ends/open-path.ts";
import { transfer } from "../../lib/transfer/transfer.ts";
import { socketFd } from "./sockets.ts";
import { movedNatively } from "./timeouts.ts";

/** Waits until a response has its connection: one that is pipelined comes behind others. */
function turnOf(response: ServerResponse, end: RequestEnd): Promise<void> | undefined {
  if (response.socket !== null) return undefined;
  return new Promise((resolve) => {
    const settle = () => {
      response.off("socket", settle);
      // What was written before its turn is flushed after the event.
      process.nextTick(resolve);
    };
    response.once("socket", settle);
    end.add(settle);
  });
}

/** @param otherwise for connections that show no descriptor */
export const sendByTransfer =
  (otherwise: SendFile): SendFile =>
  async (part, response, end) => {
    const { fd, start, length, path } = part;
    await turnOf(response, end);
    const { socket } = response;
    if (end.isPast || socket === null) return closeFd(fd);
    if (typeof socketFd(socket) === "string") return otherwise(part, response, end);
    const before = movedNatively.get(socket) ?? 0;
    const onProgress = (bytes: number) => void movedNatively.set(socket, before + bytes);
    const abort = new AbortController();
    const forget = end.add(() => abort.abort());
    const options = { offset: start, length, signal: abort.signal, onProgress };
    try {
      const machine = machineOf(currentRuntime());
      response.flushHeaders();
      const { bytes } = await transfer(machine, fd, socket, options);
      // A file that was shorter from the start on.
      if (bytes < length) throw truncated(length - bytes, start + bytes, path);
      response.end();
    } catch (error) {
      if (!end.isPast && !socket.destroyed) throw withPaths(error, { path });
    } finally {
      forget();
      // A close may wait for a daemon: not here.
      await closeFd(fd);
    }
  };
