/**
 * The resident memory of this process, in MiB. Linux keeps a peak for each program, and begins it anew
 * on demand; elsewhere the peak is the process's, which may include its parent's.
 */
import { readFileSync, writeFileSync } from "node:fs";

/** Begins the peak anew where that is possible, and answers what is resident now. */
export function restartPeak() {
  try {
    writeFileSync("/proc/self/clear_refs", "5");
  } catch {
    // The peak so far goes on to count.
  }
  return process.memoryUsage.rss() / 2 ** 20;
}

export function readPeak() {
  try {
    const match = /^VmHWM:\s+(\d+) kB$/m.exec(readFileSync("/proc/self/status", "utf8"));
    if (match) return Number(match[1]) / 1024;
  } catch {
    // no /proc here
  }
  return process.resourceUsage().maxRSS / 1024;
}
