// How far a step is: a bar on a terminal, plain lines anywhere else.

const REDRAW_MS = 50;
const LINE_MS = 2000;
const WIDEST_BAR = 30;
const TITLE_WIDTH = 17;

/**
 * Shows nothing where there is nothing to do.
 *
 * @param {string} what
 * @param {number} total
 * @param {NodeJS.WriteStream} [out]
 */
export function startProgress(what, total, out = process.stdout) {
  if (total === 0) return { advance() {}, end() {} };
  const title = what.padEnd(TITLE_WIDTH);
  const [show, interval] = out.isTTY ? [showBar, REDRAW_MS] : [showLine, LINE_MS];
  let done = 0;
  let shownAt = Date.now();
  let shown;
  const update = () => {
    shownAt = Date.now();
    if (shown !== done) show(out, title, done, total);
    shown = done;
  };
  if (out.isTTY) update();
  return {
    advance(count) {
      done += count;
      if (Date.now() - shownAt >= interval) update();
    },
    end() {
      update();
      if (out.isTTY) out.write("\n");
    },
  };
}

function showBar(out, title, done, total) {
  const counts = `${done}/${total}`;
  const room = (out.columns || 80) - title.length - counts.length - 5;
  const width = Math.max(0, Math.min(WIDEST_BAR, room));
  const full = total === 0 ? width : Math.round((width * Math.min(done, total)) / total);
  const bar = "█".repeat(full) + "░".repeat(width - full);
  out.write(`\r${title}  ${bar}  ${counts}\x1b[K`);
}

function showLine(out, title, done, total) {
  out.write(`${title}  ${done}/${total}\n`);
}
