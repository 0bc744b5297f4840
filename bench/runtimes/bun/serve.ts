/** Bun.serve answers with a Bun.file, which it sends by sendfile. The next request acknowledges what came before. */
import { startMeter } from "../../support/meter.ts";
import { announce, order, tell } from "../sample.ts";

let stopMeter: ReturnType<typeof startMeter>;

const server = Bun.serve({
  hostname: "127.0.0.1",
  port: 0,
  routes: {
    "/warmup": () => new Response(Bun.file(order.warmup)),
    "/file": () => {
      stopMeter = startMeter();
      return new Response(Bun.file(order.file));
    },
    "/done": () => {
      tell(stopMeter());
      void server.stop();
      return new Response("done");
    },
  },
});
announce(server.port ?? 0);
