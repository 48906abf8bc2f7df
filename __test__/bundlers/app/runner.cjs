// A test of an app, for test runners that have `test` and `expect` as globals.
/* global test, expect */
const { mkdtempSync, rmSync } = require("node:fs");
const { tmpdir } = require("node:os");
const { join } = require("node:path");
const exchange = require("./exchange.cjs");

const DONE = { shipped: 1, applied: 1, hasMore: false, photo: "a photo", isKnown: true };

exports.testWith = (sync) =>
  test("a photo comes to the phone", async () => {
    const folder = mkdtempSync(join(tmpdir(), "sync-engine-runner-"));
    expect(await exchange(sync, folder)).toEqual(DONE);
    rmSync(folder, { recursive: true });
  });
