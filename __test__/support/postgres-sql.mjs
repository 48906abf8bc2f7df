// SQL for a test, as an app or an administrator runs it beside the package: the simple protocol, without a password.
import { connect } from "node:net";

const text = (value) => Buffer.from(`${value}\0`);

function message(type, ...parts) {
  const body = Buffer.concat(parts);
  const head = Buffer.alloc(4);
  head.writeInt32BE(body.length + 4);
  return Buffer.concat([Buffer.from(type), head, body]);
}

const version = Buffer.from([0, 3, 0, 0]);

/** The fields of an error or a row. */
function read(type, body) {
  if (type === "E") return body.toString().split("\0").slice(0, -2);
  const cells = [];
  for (let at = 2; at < body.length;) {
    const length = body.readInt32BE(at);
    at += 4;
    cells.push(length < 0 ? null : body.toString("utf8", at, at + length));
    at += Math.max(length, 0);
  }
  return cells;
}

/** The rows of all statements, their cells as text. Rejects with what the server says. */
export async function sql(url, statements) {
  const { hostname, port, username, pathname } = new URL(url);
  const socket = connect({ host: hostname, port: Number(port) });
  const start = [version, text("user"), text(username), text("database"), text(pathname.slice(1))];
  socket.write(message("", ...start, Buffer.from([0])));
  const rows = [];
  let [left, asked, failure] = [Buffer.alloc(0), false, null];
  try {
    for await (const data of socket) {
      left = Buffer.concat([left, data]);
      while (left.length > 4 && left.length > left.readInt32BE(1)) {
        const [type, end] = [String.fromCharCode(left[0]), left.readInt32BE(1) + 1];
        const body = left.subarray(5, end);
        left = left.subarray(end);
        if (type === "D") rows.push(read(type, body));
        if (type === "E") failure = new Error(read(type, body).join(" "));
        if (failure && !asked) throw failure;
        if (type === "Z" && asked) {
          if (failure) throw failure;
          return rows;
        }
        if (type === "Z") {
          asked = true;
          socket.write(message("Q", text(statements)));
        }
      }
    }
  } finally {
    socket.end(message("X"));
    socket.destroy();
  }
  throw new Error("the server ended the connection");
}
