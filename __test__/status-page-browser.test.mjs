// The status page in a browser: it is live, readable on a phone and aloud, and texts of others stay texts.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { exchange } from "./support/answering.mjs";
import { skip, startBrowser } from "./support/chromium.mjs";
import { ahead, page, sideWith } from "./support/status-page.mjs";

/* global document, getComputedStyle -- of the page, in what runs there */

const MARKUP = "<img src=x onerror=alert(1)>";

describe("in a browser", { skip }, () => {
  const textOf = (id) => `document.getElementById(${JSON.stringify(id)}).innerText`;
  const rowsOf = (id) =>
    `[...document.querySelectorAll("#${id} tbody tr")].map((row) =>
       [...row.cells].map((cell) => cell.textContent))`;

  test("the page shows a new exchange without a reload", async (t) => {
    const side = await sideWith(t);
    const { open } = await startBrowser(t);
    const shown = await open(side.url);
    await shown.until(`${textOf("summary")}.startsWith("0 exchanges")`);
    await shown.evaluate("globalThis.isTheSame = true");
    await exchange(side, page("phone", "one", "two"));
    await shown.until(
      `${textOf("summary")}.startsWith("1 exchange: 2 items in, 2 out, 0 refused.")`,
    );
    assert.equal(await shown.evaluate("isTheSame"), true);
    const [row] = await shown.evaluate(rowsOf("exchanges"));
    assert.deepEqual([row[1], row[2], row[3], row[9]], ["/", "127.0.0.1", "2", "200"]);
    assert.equal((await shown.evaluate(rowsOf("nodes")))[0][0], "phone");
    assert.match(await shown.evaluate(textOf("chart-caption")), /came and .* went/);
    assert.equal(await shown.evaluate(`document.querySelectorAll("#bars rect").length > 0`), true);
    const origins = new Set(shown.requests.map((url) => new URL(url).protocol));
    assert.deepEqual(
      shown.requests.filter((url) => !url.startsWith("data:")),
      [`${side.url}/`, `${side.url}/status/events`],
      [...origins].join(),
    );
    assert.deepEqual(shown.faults, []);
  });

  test("ids and names of others stay texts", async (t) => {
    const side = await sideWith(t);
    await exchange(side, page(MARKUP, MARKUP));
    await exchange(side, ahead(`${MARKUP}</script><script>alert(2)</script>`));
    const { open } = await startBrowser(t);
    const shown = await open(side.url);
    await shown.until(`${textOf("summary")}.startsWith("2 exchanges")`);
    assert.equal((await shown.evaluate(rowsOf("nodes")))[0][0], MARKUP);
    const [refusal] = await shown.evaluate(rowsOf("refusals"));
    assert.equal(refusal[3], `record ${MARKUP}</script><script>alert(2)</script>`);
    assert.equal(await shown.evaluate(`document.querySelectorAll("img, script").length`), 1);
    assert.deepEqual(shown.faults, []);
  });

  test("its policy runs no script of others, which the test would see", async (t) => {
    const side = await sideWith(t);
    const { open } = await startBrowser(t);
    const shown = await open(side.url);
    await shown.until(`${textOf("summary")}.startsWith("0 exchanges")`);
    await shown.evaluate(`{
      const script = document.createElement("script");
      script.textContent = "globalThis.hasRun = true";
      document.body.append(script);
    }`);
    assert.equal(await shown.evaluate("globalThis.hasRun === undefined"), true);
    assert.ok(shown.faults.some((fault) => /Content Security Policy/.test(fault)));
  });

  for (const [what, size] of [
    ["a phone", { width: 360, height: 740 }],
    ["a phone, in the dark", { width: 360, height: 740, dark: true }],
    ["a small window", { width: 720, height: 600 }],
  ]) {
    test(`it fits ${what}, also with long names, and has enough contrast`, async (t) => {
      const side = await sideWith(t);
      const long = "n".repeat(190);
      await exchange(side, page(long, long, MARKUP));
      await exchange(side, ahead(`long-${long}`));
      const { open } = await startBrowser(t);
      const shown = await open(side.url, size);
      await shown.until(`${textOf("summary")}.startsWith("2 exchanges")`);
      const wide = await shown.evaluate(`[...document.querySelectorAll("body, body *")]
        .filter((node) => node.closest("thead, svg") === null)
        .filter((node) => node.getBoundingClientRect().right > ${size.width} + 0.5)
        .map((node) => node.outerHTML.slice(0, 200))`);
      assert.deepEqual(wide, []);
      const [inside, seen] = await shown.evaluate(
        "[document.documentElement.scrollWidth, document.documentElement.clientWidth]",
      );
      assert.equal(inside, seen);
      assert.deepEqual(await shown.evaluate(`(${weakContrasts})()`), []);
      assert.deepEqual(shown.faults, []);
    });
  }

  test("read aloud, the page has landmarks, headings, and tables with names", async (t) => {
    const side = await sideWith(t);
    await exchange(side, page("phone", "one"));
    await exchange(side, ahead("late"));
    const { open } = await startBrowser(t);
    const shown = await open(side.url, { width: 360, height: 740 });
    await shown.until(`${textOf("summary")}.startsWith("2 exchanges")`);
    await shown.call("Accessibility.enable");
    const { nodes } = await shown.call("Accessibility.getFullAXTree");
    const heard = nodes
      .filter(({ ignored }) => !ignored)
      .map(({ role, name }) => [role.value, name?.value ?? ""]);
    const named = (role) => heard.filter(([each]) => each === role).map(([, name]) => name);
    assert.equal(named("main").length, 1);
    assert.equal(named("banner").length, 1);
    const parts = ["Channels", "Bytes over time", "Last exchanges", "What was refused", "Nodes"];
    assert.deepEqual(named("heading"), ["Sync server", ...parts]);
    assert.deepEqual(named("region"), parts);
    assert.equal(named("table").length, 4);
    assert.ok(named("table").every((name) => name.length > 10));
    // They are tables also where they are shown one row below the other.
    assert.ok(named("columnheader").includes("Bytes out"));
    assert.ok(named("cell").includes("phone"));
    const image = nodes.find(({ role }) => role?.value === "image" || role?.value === "img");
    assert.match(image.name.value, /^Bytes per minute in the last hour .* came and .* went/);
    const live = await shown.evaluate(`document.getElementById("summary").ariaLive`);
    assert.equal(live, "polite");
    assert.equal(await shown.evaluate("document.documentElement.lang"), "en");
  });

  test("a server that is gone is told, and so is that it is back", async (t) => {
    const side = await sideWith(t);
    const { open } = await startBrowser(t);
    const shown = await open(side.url);
    await shown.until(`${textOf("summary")}.startsWith("0 exchanges")`);
    await side.server.close();
    await shown.until(`${textOf("link")}.includes("lost")`);
    await side.server.listen(side.port);
    await shown.until(`${textOf("link")} === ""`);
  });
});

/** Runs in the page: the texts whose contrast with what is behind them is below 4.5, as WCAG counts it. */
function weakContrasts() {
  const partsOf = (color) => color.match(/[\d.]+/g).map(Number);
  const luminance = (color) => {
    const [r, g, b] = partsOf(color).map((part) => {
      const share = part / 255;
      return share <= 0.03928 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const behind = (node) => {
    for (let each = node; each; each = each.parentElement) {
      const color = getComputedStyle(each).backgroundColor;
      if (partsOf(color)[3] !== 0) return color;
    }
    return "rgb(255, 255, 255)";
  };
  const weak = [];
  for (const node of document.querySelectorAll("body *")) {
    const hasText = [...node.childNodes].some((each) => each.nodeType === 3 && each.data.trim());
    if (!hasText || node.closest("script, svg, noscript")) continue;
    const both = [getComputedStyle(node).color, behind(node)].map(luminance);
    const contrast = (Math.max(...both) + 0.05) / (Math.min(...both) + 0.05);
    if (contrast < 4.5) weak.push(`${node.outerHTML.slice(0, 80)}: ${contrast.toFixed(2)}`);
  }
  return weak;
}
