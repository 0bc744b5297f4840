/** A file server on node:net: `node build/examples/node-file-server.js [FOLDER [PORT]]` */
import { type AddressInfo, createServer, type Socket } from "node:net";
import process from "node:process";
import { transfer } from "sluice";
import { answer, requests } from "./http.ts";

const [root = ".", port = "8080"] = process.argv.slice(2);

async function serve(socket: Socket): Promise<void> {
  for await (const request of requests(socket)) {
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

const server = createServer({ noDelay: true, allowHalfOpen: true }, (socket) => {
  serve(socket).catch((error: unknown) => {
    console.error(String(error));
    socket.destroy();
  });
});

server.listen(Number(port), "127.0.0.1", () => {
  console.log(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
});
