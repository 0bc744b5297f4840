/** A file server on Bun.listen: `bun bun-file-server.ts [FOLDER [PORT]]` */
import { transfer } from "sluice";
import { answer, requests } from "./http.ts";

const [root = ".", port = "8080"] = Bun.argv.slice(2);
type Received = ReadableStreamDefaultController<Uint8Array>;

async function serve(socket: Bun.Socket<Received>): Promise<void> {
  const chunks = new ReadableStream<Uint8Array>({ start: (received) => void (socket.data = received) });
  for await (const request of requests(chunks)) {
    const { head, body, last } = await answer(request, root);
    try {
      await transfer(head, socket);
      if (body !== undefined) {
        const { bytes } = await transfer(body.file, socket, { length: body.bytes });
        // Fewer than were promised: only the end of the connection can tell.
        if (bytes < body.bytes) throw new Error("the file was cut before it was sent");
      }
    } finally {
      await body?.file.close();
    }
    if (last) break;
  }
  socket.end();
}

const server = Bun.listen<Received>({
  hostname: "127.0.0.1",
  port: Number(port),
  allowHalfOpen: true,
  socket: {
    open: (socket) => void serve(socket).catch((error) => void (console.error(String(error)), socket.terminate())),
    data: (socket, chunk) => socket.data.enqueue(chunk),
    end: (socket) => socket.data.close(),
    // Without effect after an end.
    close: (socket, error) => socket.data.error(error ?? new Error("the connection was lost")),
  },
});
console.log(`http://127.0.0.1:${server.port}`);
