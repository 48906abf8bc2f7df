// A line between a caller and a server that breaks.
import { once } from "node:events";
import { connect, createServer } from "node:net";

/** Passes everything on to `port`, and cuts a connection once `cuts` lets no more bytes of it through. */
export async function cuttingProxy(t, port, cuts) {
  const seen = { sent: 0, cut: 0 };
  const server = createServer((caller) => {
    const onward = connect(port, "127.0.0.1");
    let left = Infinity;
    let passed = 0;
    const end = () => {
      caller.destroy();
      onward.destroy();
    };
    for (const socket of [caller, onward]) socket.on("error", end).on("close", end);
    onward.pipe(caller);
    caller.on("data", (piece) => {
      // Only what is more than some requests without a body is an upload.
      if (passed < 64 * 1024 && passed + piece.length >= 64 * 1024) left = cuts.shift() ?? Infinity;
      passed += piece.length;
      seen.sent += piece.length;
      if (passed >= left) {
        seen.cut += 1;
        // What was taken up to here has arrived before the line breaks.
        onward.end(piece);
        caller.destroy();
      } else if (!onward.write(piece)) {
        caller.pause();
        onward.once("drain", () => caller.resume());
      }
    });
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  t.after(() => server.close());
  return { baseUrl: `http://127.0.0.1:${server.address().port}`, seen };
}
