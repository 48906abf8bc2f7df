/**
 * Laptops that ask whether there is anything new: a request of a real one, sent again and again over connections that stay
 * open. They do little themselves, so that the servers are what is measured.
 *
 * `callers.mjs <seconds> <connections> <depth>` reads `{ url, headers, body }` from its standard input, the body in base64.
 * `depth` is how many requests a connection has under way. Says how many answers there were, and their bytes.
 */
import { connect } from "node:net";
import { text } from "node:stream/consumers";

const [seconds, connections, depth] = process.argv.slice(2).map(Number);
const { url, headers, body } = JSON.parse(await text(process.stdin));
const { hostname, port, pathname, host } = new URL(url);
const data = Buffer.from(body, "base64");
const head = Object.entries({ ...headers, host, "content-length": data.length });
const lines = head.map(([name, value]) => `${name}: ${value}\r\n`).join("");
const request = Buffer.concat([Buffer.from(`POST ${pathname} HTTP/1.1\r\n${lines}\r\n`), data]);
const STATUS = "HTTP/1.1 ";

/** One answer, which must say that there is nothing. Its length is that of all. */
async function firstAnswer() {
  const socket = connect(Number(port), hostname);
  socket.write(request);
  let got = Buffer.alloc(0);
  for await (const chunk of socket) {
    got = Buffer.concat([got, chunk]);
    const end = got.indexOf("\r\n\r\n") + 4;
    const length = Number(/content-length: (\d+)/i.exec(got.subarray(0, end).toString())?.[1]);
    if (end < 4 || !(got.length >= end + length)) continue;
    socket.destroy();
    const answer = JSON.parse(got.subarray(end).toString());
    if (answer.records.length > 0 || answer.hasMore) throw new Error("the answer of a quiet exchange has something");
    return got.length;
  }
  throw new Error(`the server answered ${got.subarray(0, 200)}`);
}

let answers = 0;
let isOver = false;

/** Keeps a connection busy until it is over. */
function caller() {
  return new Promise((resolve, reject) => {
    const socket = connect(Number(port), hostname, () => socket.write(Buffer.concat(Array(depth).fill(request))));
    let left = depth;
    // A line of status may be cut in two.
    let tail = "";
    socket.on("error", reject).on("close", () => reject(new Error("the server ended the connection")));
    socket.on("data", (chunk) => {
      const said = tail + chunk.toString("latin1");
      let more = 0;
      let at = said.indexOf(STATUS);
      for (; at >= 0 && at + 12 <= said.length; at = said.indexOf(STATUS, at + 12)) {
        if (!said.startsWith("200", at + STATUS.length)) return reject(new Error(said.slice(at, at + 200)));
        more += 1;
      }
      tail = said.slice(at >= 0 ? at : Math.max(said.length - STATUS.length + 1, 0));
      answers += more;
      left -= more;
      if (!isOver && more > 0) {
        left += more;
        socket.write(more === 1 ? request : Buffer.concat(Array(more).fill(request)));
      } else if (left === 0) {
        socket.removeAllListeners("close");
        socket.destroy();
        resolve(undefined);
      }
    });
  });
}

const bytes = await firstAnswer();
const [began, cpu] = [performance.now(), process.cpuUsage()];
setTimeout(() => (isOver = true), seconds * 1000);
await Promise.all(Array.from({ length: connections }, caller));
const took = (performance.now() - began) / 1000;
const { user, system } = process.cpuUsage(cpu);
const cpuSeconds = (user + system) / 1e6;
console.log(JSON.stringify({ answers, seconds: took, cpuSeconds, sent: request.length, received: bytes }));
