// A process of its own that writes to an app's file and exchanges with another file, as a second instance of an app
// would. Arguments: the app's file, the peer's file, the name of the process, how much it writes.
import { answering, appSide, engineOf } from "./logged-app.mjs";
import { at } from "./hlc.mjs";

const [path, peerPath, name, count] = process.argv.slice(2);
const app = appSide(path, { timeout: 10_000 });
const hub = appSide(peerPath, { timeout: 10_000 });
const engine = engineOf(app, answering(hub), { nodeId: "laptop" });
for (let i = 0; i < Number(count); i += 1) {
  // Stamps of one node, in no order among the processes.
  app.put(`${name}-${i}`, at((i * 7919) % 1000, "laptop"));
  app.line(name, i, at((i * 104_729) % 1000, "laptop"), `${i}`);
  hub.put(`hub-${name}-${i}`, at((i * 7919) % 1000, "hub"));
  if (i % 5 === 0) await exchange();
}
await exchange();

async function exchange() {
  try {
    await engine.exchange();
  } catch (error) {
    // Another process has the turn: the next round goes on.
    if (error.code !== "STORE_BUSY") throw error;
  }
}
