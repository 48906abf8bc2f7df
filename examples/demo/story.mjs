// What happens between the places, step by step.
import { randomBytes } from "node:crypto";
import { readFileSync, writeFileSync, mkdirSync } from "node:fs";
import { basename, join } from "node:path";
import { bytesText } from "../../js/bytes-text.js";
import { plain } from "../../js/command/errors.mjs";
import { countText } from "../../js/command/terminal.mjs";
import { differencesOf } from "./folder.mjs";

const PHOTOS = 20;
const PHOTO_BYTES = 100_000;
const SHOWN_DIFFERENCES = 10;
const NAME_WIDTH = 10;
const CALL_WIDTH = 24;

/**
 * @param {{
 *   source: import("./folder.mjs").Listing & { path: string, excluded: string[] },
 *   places: ReturnType<import("./places.mjs").createPlaces>,
 *   servers?: import("./servers.mjs").Servers,
 *   signal: AbortSignal,
 *   say: (line: string) => void,
 * }} given
 * @returns {Promise<{ steps: import("./table.mjs").Step[], verdicts: { holds: boolean, text: string }[] }>}
 */
export async function tell({ source, places, servers, signal, say }) {
  const cloud = places.add("cloud", servers);
  const [first, second] = [places.add("laptop 1"), places.add("laptop 2")];
  const story = createStory(say);
  let server = await serve(cloud, story, 0);
  for (const laptop of [first, second]) laptop.env.STARKEEP_SYNC_URL = server.url;

  await firstSync(source, { first, second }, story);
  await edit({ first, second }, story);
  await deletion({ first, second }, story);
  const conflict = await meetConflict({ first, second }, story);
  server = await goOffline({ cloud, server, first, second }, story);
  const verdicts = await compare({ source, cloud, first, second, signal }, story);
  await server.stop();
  return { steps: story.steps, verdicts: [...verdicts, conflict] };
}

/** The screen, and the figures of the steps. */
function createStory(say) {
  const steps = [];
  const line = (place, call, what) =>
    say(`   ${place.name.padEnd(NAME_WIDTH)}${call.padEnd(CALL_WIDTH)}${what}`.trimEnd());
  const count = ({ shipped, applied, bytesSent, bytesReceived, durationMs, ...moved }) => {
    const step = steps.at(-1);
    step.records += shipped + applied;
    step.objects += moved.objectsSent + moved.objectsReceived;
    step.bytes += bytesSent + bytesReceived;
    step.seconds += durationMs / 1000;
  };
  return {
    steps,
    line,
    count,
    title: (text) => say(`\n${text}`),
    /** A row of the table, to which what follows is added. */
    step: (step) => steps.push({ step, records: 0, objects: 0, bytes: 0, seconds: 0 }),
    add: (figures) => Object.assign(steps.at(-1), figures),
    /** One exchange of a laptop. */
    async exchange(place) {
      const [summary] = await place.run(["exchange"]);
      count(summary);
      line(place, "exchange", exchangeText(summary));
      return summary;
    },
  };
}

function exchangeText({ shipped, applied, bytesSent, bytesReceived, inSync }) {
  const moved = `${shipped} sent (${bytesText(bytesSent)}), ${applied} received (${bytesText(bytesReceived)})`;
  return `${moved}${inSync ? "; both sides hold the same" : ""}`;
}

async function serve(cloud, { line, title }, port) {
  if (port === 0) title("1  A first sync, of the folder and of two notes");
  const server = cloud.begin(["serve", "--port", `${port}`]);
  const { url } = await server.next(({ event }) => event === "start");
  line(cloud, `serve --port ${port}`, `${url}, in process ${server.pid}`);
  return { ...server, url };
}

const write = (place, name, text) => writeFileSync(join(place.desk, name), text);

/** Adds a line to a note that a place has. */
async function addLine(place, name, text, story) {
  await place.run(["get", name, "-o", name, "--force"]);
  write(place, name, `${readFileSync(join(place.desk, name), "utf8")}${text}\n`);
  await place.run(["put", "-u", name]);
  story.line(place, `put -u ${name}`, `"${text}" is added`);
}

const readNote = async (place, name) =>
  (await place.run(["get", name], { json: false })).join(", ");

async function firstSync({ path, excluded }, { first, second }, story) {
  const { line } = story;
  story.step("1  folder → laptop 1");
  const begun = performance.now();
  const records = await first.run(["put", "-r", path, "--exclude", excluded.join()]);
  const bytes = records.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
  const objects = new Set(records.map(({ contentHash }) => contentHash)).size;
  const seconds = (performance.now() - begun) / 1000;
  story.add({ records: records.length, objects, bytes, seconds });
  line(
    first,
    `put -r ${plain(basename(path))}`,
    `${countText(records.length, "file")}, ${bytesText(bytes)}`,
  );
  write(first, "todo.txt", "Milk\n");
  write(first, "draft.txt", "A letter that is never sent\n");
  await first.run(["put", "todo.txt", "draft.txt"]);
  line(first, "put todo.txt draft.txt", "2 notes");
  story.step("1  laptop 1 → cloud");
  await story.exchange(first);
  story.step("1  cloud → laptop 2");
  await story.exchange(second);
}

async function edit({ first, second }, story) {
  story.title("2  An edit travels");
  story.step("2  edit");
  await addLine(first, "todo.txt", "Bread", story);
  await story.exchange(first);
  await story.exchange(second);
  story.line(second, "get todo.txt", await readNote(second, "todo.txt"));
}

async function deletion({ first, second }, story) {
  story.title("3  A deletion travels back");
  story.step("3  deletion");
  await second.run(["rm", "draft.txt"]);
  story.line(second, "rm draft.txt", "");
  await story.exchange(second);
  await story.exchange(first);
}

/** Both laptops edit one record, and neither knows of the other's edit. */
async function meetConflict({ first, second }, story) {
  story.title("4  A conflict: both laptops edit one note offline; the last writer wins");
  story.step("4  conflict");
  await addLine(first, "todo.txt", "Eggs", story);
  await addLine(second, "todo.txt", "Tea", story);
  await story.exchange(first);
  const { conflicted } = await story.exchange(second);
  for (const { name, stands, lost } of conflicted)
    story.line(second, "", `${name}: ${versionText(stands)} stands, ${versionText(lost)} lost`);
  await story.exchange(first);
  const notes = await Promise.all([first, second].map((place) => readNote(place, "todo.txt")));
  story.line(first, "get todo.txt", notes[0]);
  const isRight =
    conflicted.length === 1 &&
    conflicted[0].lost.nodeId === "laptop-1" &&
    notes.every((note) => note === "Milk, Bread, Tea");
  return {
    holds: isRight,
    text: "one conflict: the later edit stands at both laptops, and the one that lost was told",
  };
}

const versionText = ({ nodeId, at }) => `${nodeId}'s of ${at.slice(11, 23)}`;

/** The cloud goes away, a laptop goes on writing, and what it wrote goes out when the cloud is back. */
async function goOffline({ cloud, server, first, second }, story) {
  story.title("5  Offline: the cloud has ended, and laptop 1 goes on writing");
  await server.stop();
  const watching = first.begin(["exchange", "--watch"]);
  const { error, waitMs } = await watching.next(({ ok }) => ok === false);
  const away = `${error.reason ?? error.code}, next try in ${(waitMs / 1000).toFixed(1)} s`;
  story.line(first, "exchange --watch", `in process ${watching.pid}: ${away}`);
  mkdirSync(join(first.desk, "photos"));
  for (let n = 1; n <= PHOTOS; n += 1) write(first, `photos/${n}.jpg`, randomBytes(PHOTO_BYTES));
  const photos = await first.run(["put", "-r", "photos"]);
  story.line(first, "put -r photos", countText(photos.length, "file"));

  const again = await serve(cloud, story, new URL(server.url).port);
  story.step("5  laptop 1 catches up");
  for (let sent = 0; sent < PHOTOS;) {
    const summary = await watching.next(({ shipped }) => shipped > 0);
    story.count(summary);
    story.line(first, "", exchangeText(summary));
    sent += summary.shipped;
  }
  story.step("5  cloud → laptop 2");
  await story.exchange(second);
  await watching.stop();
  return again;
}

/** Whether all sides hold the same, by what each reads from its disk, and by the folder itself. */
async function compare({ source, cloud, first, second, signal }, story) {
  story.title("6  All sides hold the same");
  const settled = [];
  for (const place of [first, second]) settled.push([place, ...(await place.run(["exchange"]))]);
  const all = [cloud, first, second];
  story.step("6  check of every byte");
  const begun = performance.now();
  const found = [];
  for (const place of all) found.push(...(await place.run(["verify"])));
  const sum = (name) => found.reduce((total, one) => total + one[name], 0);
  const [records, objects, bytes] = ["records", "objects", "bytes"].map(sum);
  story.add({ records, objects, bytes, seconds: (performance.now() - begun) / 1000 });
  for (const [index, one] of found.entries()) story.line(all[index], "verify", verifyText(one));
  const listed = await second.run(["ls"]);
  const differences = await differencesOf(source.files, listed, signal);
  const count = countText(source.files.length, "file");
  return [
    ...settled.map(([{ name }, { shipped, applied, held }]) => ({
      holds: shipped + applied + held.length === 0,
      text: `${name} has nothing left to do: shipped ${shipped}, applied ${applied}`,
    })),
    {
      holds: found.every((one) => one.ok && one.fingerprint === found[0].fingerprint),
      text: `the cloud and both laptops hold the same ${countText(found[0].records, "record")}, by the fingerprints of all bytes`,
    },
    ...differencesText(differences, count),
  ];
}

const verifyText = ({ records, objects, bytes, fingerprint }) =>
  `${countText(records, "record")}, ${countText(objects, "object")}, ${bytesText(bytes)}; fingerprint ${fingerprint.slice(0, 16)}`;

function differencesText(differences, count) {
  if (differences.length === 0)
    return [{ holds: true, text: `${count} at laptop 2, byte for byte those of the folder` }];
  const shown = differences.slice(0, SHOWN_DIFFERENCES);
  return [
    { holds: false, text: `${differences.length} of ${count} differ at laptop 2:` },
    ...shown.map((text) => ({ holds: false, text: `  ${text}` })),
  ];
}
