// Servers over one PostgreSQL database and one bucket, and laptops that work with them, each a process of its own.
import assert from "node:assert/strict";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { ask, keepWritten, startPlace } from "./kill.mjs";
import { folderFor } from "./native.mjs";
import { startPostgres } from "./postgres.mjs";
import { s3At } from "./s3.mjs";

export const SERVERS = ["cloud-1", "cloud-2"];
export const LAPTOPS = ["a", "b", "c"];

/** Starts two servers. All processes end with the test, before what they work with. */
export async function cloudFor(t) {
  const running = new Map();
  t.after(async () => {
    for (const { child } of running.values()) child.kill("SIGKILL");
    await Promise.all([...running.values()].map(({ closed }) => closed));
  });
  // What was answered stays, also where PostgreSQL is killed.
  const postgres = await startPostgres(["synchronous_commit=on"]);
  t.after(() => postgres.end());
  const bucket = (await s3At(t)).options;
  const stores = JSON.stringify({ postgres: { connectionString: postgres.url }, bucket });
  const cloud = new Cloud({ postgres, stores, folder: folderFor(t), running });
  // Both at once: they find an empty database.
  await Promise.all(SERVERS.map((name) => cloud.serve(name)));
  return cloud;
}

class Cloud {
  ports = new Map();
  wrote = new Map();
  faults = [];
  /** Per process, how many exchanges a server had with something new, or how many rounds of a laptop moved something. */
  done = new Map();

  constructor(parts) {
    Object.assign(this, parts);
  }

  #start(name, args) {
    const place = startPlace(args, (what, value) => {
      if (what === "wrote") keepWritten(this.wrote, value);
      if (what === "fault") this.faults.push({ ...value, at: name });
      const isPage = what === "exchange" || (what === "round" && value > 0);
      if (isPage) this.done.set(name, (this.done.get(name) ?? 0) + 1);
    });
    this.running.set(name, place);
    return place;
  }

  /** Starts a server, again at the port that it had. */
  async serve(name) {
    const place = this.#start(name, ["cloud", this.stores, name, this.ports.get(name) ?? 0]);
    this.ports.set(name, await place.says("port"));
  }

  /** The servers as a laptop has them: not all begin with the same one. */
  #urls(laptop) {
    const urls = SERVERS.map((name) => `http://127.0.0.1:${this.ports.get(name)}`);
    return (LAPTOPS.indexOf(laptop) % 2 === 0 ? urls : urls.reverse()).join();
  }

  /** Laptops begin to write and to sync, and go on. */
  work() {
    for (const name of LAPTOPS)
      this.#start(name, ["work", join(this.folder, name), name, this.#urls(name)]);
  }

  /** Waits until each of these has done as many more pages. */
  async pages(names, more) {
    const wanted = names.map((name) => [name, (this.done.get(name) ?? 0) + more]);
    const isDone = ([name, count]) => (this.done.get(name) ?? 0) >= count;
    await this.#waitFor(() => wanted.every(isDone), `page at ${names.join()}`);
  }

  async #waitFor(check, what) {
    for (let waits = 0; !check(); waits += 1) {
      for (const [name, { child, complaints }] of this.running)
        assert.equal(child.exitCode, null, `${name} ended: ${complaints}`);
      assert.ok(waits < 4000, `no ${what}: ${JSON.stringify(this.faults.at(-1))}`);
      await pause(5);
    }
  }

  /** Waits until each laptop has met a fault of the database. */
  async misses() {
    const isMet = (name) => this.faults.some(({ at, peerCode }) => at === name && peerCode);
    await this.#waitFor(() => LAPTOPS.every(isMet), "fault of the database");
  }

  async kill(name) {
    const place = this.running.get(name);
    this.running.delete(name);
    await place.kill();
  }

  /** Ends the laptops within what they do, lets each come to rest, and answers what all sides hold. */
  async settle() {
    await Promise.all(LAPTOPS.map((name) => this.kill(name)));
    const held = {};
    const settle = async (name) => {
      held[name] = await ask("holds", "settle", join(this.folder, name), name, this.#urls(name));
    };
    await Promise.all(LAPTOPS.map(settle));
    // Once more, for what the others brought after one had come to rest. What a server has in memory of what another one took
    // in is at most a second old.
    await pause(1_200);
    await Promise.all(LAPTOPS.map(settle));
    held.cloud = await ask("holds", "show-cloud", this.stores);
    for (const side of Object.values(held)) forgetTypes(side.files);
    return { held, wrote: this.wrote };
  }
}

/**
 * This server of S3 keeps the bytes of an object before its type: a request that ends in between, as its caller is killed,
 * leaves it without one. In S3 an object appears as a whole.
 */
function forgetTypes(files) {
  for (const file of Object.values(files)) delete file?.type;
}
