// One node in a process of its own. It does what the parent asks for, several things at one time, and
// says how each is going. It ends when it is told to close, or when the parent is gone.
import { DemoError, isExpected } from "./errors.mjs";
import { openCloud, openLaptop } from "./node.mjs";
import { SIGNALS } from "./workspace.mjs";

const OPENERS = { openCloud, openLaptop };
const stopping = new AbortController();
let node;

// Of what the engine warns of, the words are enough at a terminal: a stack tells its reader nothing.
console.warn = (words) => console.error(words);

// Ctrl-C at a terminal goes to all processes; what becomes of this one is for the parent to say.
for (const name of SIGNALS) process.on(name, () => {});
process.on("disconnect", () => process.exit());

process.on("message", async ({ id, method, args }) => {
  try {
    say({ id, value: await perform(id, method, args) });
    if (method === "close") process.disconnect();
  } catch (error) {
    const { message, stack } = error;
    say({ id, error: { message, stack, isExpected: isExpected(error) } });
  }
});

async function perform(id, method, args) {
  if (method in OPENERS) {
    node = await OPENERS[method](...args);
    return { baseUrl: node.baseUrl };
  }
  if (method === "close") stopping.abort(new DemoError("Stopped."));
  return node[method](...args, {
    signal: stopping.signal,
    onProgress: (count) => say({ id, count }),
  });
}

/** A parent that is gone needs to hear nothing. */
function say(message) {
  if (process.connected) process.send(message, () => {});
}
