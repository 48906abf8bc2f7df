// A line between a caller and a server that breaks.
import { once } from "node:events";
import { connect, createServer } from "node:net";

/** Only what is more than some heads and small bodies is a file. */
const LEAST = 64 * 1024;

/**
 * Passes everything on to `port`, and cuts a connection once `cuts` lets no more bytes of a file through: of an upload, or
 * with `way: "down"` of a download.
 */
export async function cuttingProxy(t, port, cuts, { way = "up" } = {}) {
  const seen = { sent: 0, cut: 0 };
  const server = createServer((caller) => {
    const onward = connect(port, "127.0.0.1");
    const [from, to] = way === "up" ? [caller, onward] : [onward, caller];
    let left = Infinity;
    let passed = 0;
    const end = () => {
      caller.destroy();
      onward.destroy();
    };
    for (const socket of [caller, onward]) socket.on("error", end).on("close", end);
    to.pipe(from);
    from.on("data", (piece) => {
      if (passed < LEAST && passed + piece.length >= LEAST) left = cuts.shift() ?? Infinity;
      passed += piece.length;
      seen.sent += piece.length;
      if (passed >= left) {
        seen.cut += 1;
        // What was taken up to here has arrived before the line breaks.
        to.end(piece);
        from.destroy();
      } else if (!to.write(piece)) {
        from.pause();
        to.once("drain", () => from.resume());
      }
    });
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  t.after(() => server.close());
  return { baseUrl: `http://127.0.0.1:${server.address().port}`, seen };
}
