// Chromium, driven over a pipe by its DevTools protocol.
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const NAMES = ["chromium", "chromium-browser", "google-chrome"];

/** The first of the browsers by its name on the PATH that starts, or undefined. */
export const browser = NAMES.find((name) => spawnSync(name, ["--version"]).status === 0);

/** Why a test that needs a browser is skipped, or false. */
export const skip = browser === undefined && `there is no ${NAMES.join(", ")} on the PATH`;

const FLAGS = [
  "--headless=new",
  "--no-sandbox",
  "--disable-gpu",
  "--disable-dev-shm-usage",
  "--no-first-run",
  "--hide-scrollbars",
  "--no-proxy-server",
  "--remote-debugging-pipe",
];

/** Messages are JSON that ends in NUL: the browser reads them from its descriptor 3, and writes to 4. */
function protocolOf(child) {
  const [, , , input, output] = child.stdio;
  const waiting = new Map();
  const listeners = new Set();
  let text = "";
  let last = 0;
  output.setEncoding("utf8").on("data", (piece) => {
    const messages = (text + piece).split("\0");
    text = messages.pop();
    for (const { id, result, error, ...event } of messages.map((each) => JSON.parse(each))) {
      const { resolve, reject } = waiting.get(id) ?? {};
      waiting.delete(id);
      if (error) reject?.(new Error(error.message));
      else if (resolve) resolve(result);
      else for (const listener of listeners) listener(event);
    }
  });
  child.on("exit", () => {
    for (const { reject } of waiting.values()) reject(new Error("the browser has ended"));
  });
  // A browser that has ended reads nothing more: those who wait are told by its exit.
  input.on("error", () => {});
  return {
    listeners,
    send(method, params = {}, sessionId) {
      last += 1;
      const id = last;
      return new Promise((resolve, reject) => {
        waiting.set(id, { resolve, reject });
        input.write(`${JSON.stringify({ id, method, params, sessionId })}\0`);
      });
    },
  };
}

/** A browser, which is gone when the test is over. */
export async function startBrowser(t) {
  const profile = mkdtempSync(join(tmpdir(), "chromium-"));
  const child = spawn(browser, [...FLAGS, `--user-data-dir=${profile}`, "about:blank"], {
    stdio: ["ignore", "ignore", "ignore", "pipe", "pipe"],
  });
  const protocol = protocolOf(child);
  t.after(async () => {
    const gone = child.exitCode === null ? once(child, "exit") : undefined;
    protocol.send("Browser.close").catch(() => {});
    await gone;
    rmSync(profile, { recursive: true, force: true, maxRetries: 10 });
  });
  return { open: (url, size) => openPage(protocol, url, size) };
}

/** A page; `faults` are its console errors, exceptions and violations of its policy. */
async function openPage(
  { send, listeners },
  url,
  { width = 1000, height = 800, dark = false } = {},
) {
  const { targetId } = await send("Target.createTarget", { url: "about:blank" });
  const { sessionId } = await send("Target.attachToTarget", { targetId, flatten: true });
  const call = (method, params) => send(method, params, sessionId);
  const faults = [];
  const requests = [];
  let loaded;
  const load = new Promise((resolve) => (loaded = resolve));
  const heard = {
    "Log.entryAdded": ({ entry }) => faults.push(`${entry.level} ${entry.text} ${entry.url ?? ""}`),
    "Runtime.consoleAPICalled": ({ type, args }) =>
      faults.push(`console.${type} ${args.map(({ value }) => value)}`),
    "Runtime.exceptionThrown": ({ exceptionDetails }) => faults.push(exceptionDetails.text),
    "Audits.issueAdded": ({ issue }) => {
      if (issue.code === "ContentSecurityPolicyIssue") faults.push(JSON.stringify(issue.details));
    },
    "Page.javascriptDialogOpening": ({ message }) => faults.push(`a dialog: ${message}`),
    "Page.loadEventFired": () => loaded(),
    "Network.requestWillBeSent": ({ request }) => requests.push(request.url),
  };
  listeners.add((event) => {
    if (event.sessionId === sessionId) heard[event.method]?.(event.params);
  });
  for (const domain of ["Page", "Runtime", "Log", "Audits", "Network"])
    await call(`${domain}.enable`);
  await call("Emulation.setDeviceMetricsOverride", {
    width,
    height,
    deviceScaleFactor: 1,
    mobile: width < 600,
  });
  const scheme = { name: "prefers-color-scheme", value: dark ? "dark" : "light" };
  await call("Emulation.setEmulatedMedia", { features: [scheme] });
  await call("Page.navigate", { url });
  await load;
  const evaluate = async (expression) => {
    const { result, exceptionDetails } = await call("Runtime.evaluate", {
      expression,
      awaitPromise: true,
      returnByValue: true,
    });
    if (exceptionDetails) throw new Error(exceptionDetails.exception?.description);
    return result.value;
  };
  return {
    faults,
    requests,
    call,
    evaluate,
    /** Waits until the expression is true of the page. */
    async until(expression) {
      for (;;) {
        if (await evaluate(`Boolean(${expression})`)) return;
        await new Promise((resolve) => setTimeout(resolve, 50));
      }
    },
    async screenshot() {
      const { data } = await call("Page.captureScreenshot", {
        format: "png",
        captureBeyondViewport: false,
      });
      return Buffer.from(data, "base64");
    },
  };
}
