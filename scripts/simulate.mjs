// Plays many seeds of the simulation on all cores: `npm run simulate -- --seeds 100000 [--first N] [--jobs N]`.
// Each seed is played by places with watermarks and by places with change logs, or by those that `--world` names.
// `--world logs --seed N` replays one, with its dialogue, and shortens it.
import { spawn, spawnSync } from "node:child_process";
import { availableParallelism } from "node:os";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";

process.chdir(fileURLToPath(new URL("..", import.meta.url)));
const { values } = parseArgs({
  options: {
    seeds: { type: "string", default: "10000" },
    first: { type: "string" },
    jobs: { type: "string" },
    seed: { type: "string" },
    world: { type: "string" },
  },
});

/** The tests that play fixed and fresh seeds, and the variable that names one seed. */
const WORLDS = {
  watermarks: { tests: "", seed: "SIM_SEED" },
  logs: { tests: "logged::logs_", seed: "SIM_LOG_SEED" },
};
const worlds = values.world === undefined ? Object.keys(WORLDS) : [values.world];
if (!worlds.every((world) => Object.hasOwn(WORLDS, world))) {
  console.error(`not a world: ${values.world}; there are ${Object.keys(WORLDS).join(" and ")}`);
  process.exit(2);
}

/** Nothing but the crate itself is built anew: optimized, for a seed is mostly arithmetic. */
const OPTIMIZED = ["profile.dev.opt-level=2", 'profile.dev.package."*".opt-level=0'];

function build() {
  const config = OPTIMIZED.flatMap((setting) => ["--config", setting]);
  const { status, stdout } = spawnSync(
    "cargo",
    ["test", "--no-default-features", "--test", "simulation", "--no-run", "--message-format", "json", ...config],
    { encoding: "utf8", stdio: ["ignore", "pipe", "inherit"], maxBuffer: 1 << 28 },
  );
  if (status !== 0) process.exit(status ?? 1);
  const built = stdout.split("\n").filter((line) => line.startsWith("{"));
  return built.map((line) => JSON.parse(line).executable).findLast(Boolean);
}

const nameOf = (tests, which) => {
  const proved = tests === "" ? "" : "_and_proved";
  return `${tests}every_${which}_seed_ends_with_all_places_equal${proved}`;
};

const count = (text, fallback) => {
  const number = Number(text ?? fallback);
  if (Number.isSafeInteger(number) && number >= 0) return number;
  console.error(`not a count: ${text}`);
  return process.exit(2);
};

function play(binary, name, env, onLine) {
  return new Promise((resolve) => {
    const child = spawn(binary, [name, "--exact", "--nocapture"], { env: { ...process.env, ...env } });
    for (const stream of [child.stdout, child.stderr]) createInterface({ input: stream }).on("line", onLine);
    child.on("close", (code) => resolve(code ?? 1));
  });
}

const binary = build();
if (values.seed !== undefined) {
  const { tests, seed } = WORLDS[worlds[0]];
  const env = { [seed]: String(count(values.seed)), RUST_BACKTRACE: "0" };
  process.exit(await play(binary, nameOf(tests, "fixed"), env, (line) => console.log(line)));
}

const seeds = count(values.seeds);
const first = count(values.first, Date.now() * 1000);
const jobs = Math.max(1, Math.min(count(values.jobs, availableParallelism()), seeds));
const share = Math.ceil(seeds / jobs);
const tally = new Map();
const began = performance.now();
let played = 0;
let told = 0;

function tell() {
  const seconds = (performance.now() - began) / 1000;
  const rate = Math.round(played / seconds);
  console.log(`${played} of ${seeds * worlds.length} seeds, ${seconds.toFixed(0)} s, ${rate} a second`);
}

function hear(line) {
  const progress = /^played (\d+), failing (\d+)$/.exec(line);
  const counted = /^tally (\d+) (.*)$/.exec(line);
  if (counted) tally.set(counted[2], (tally.get(counted[2]) ?? 0) + Number(counted[1]));
  else if (!progress) {
    if (!/^(running|test |fresh seeds|$)/.test(line)) console.log(line);
  } else {
    played += Number(progress[1]);
    if (progress[2] !== "0") console.log(`${progress[2]} failing so far`);
    if (played - told >= seeds / 20) {
      told = played;
      tell();
    }
  }
}

const codes = [];
for (const world of worlds) {
  console.log(`${world}: seeds ${first} to ${first + seeds - 1}, ${jobs} at a time`);
  const runs = Array.from({ length: jobs }, (_, job) => {
    const from = first + job * share;
    const many = Math.min(share, first + seeds - from);
    const env = { SIM_FIRST: String(from), SIM_SEEDS: String(Math.max(many, 0)), RUST_BACKTRACE: "0" };
    return play(binary, nameOf(WORLDS[world].tests, "fresh"), env, hear);
  });
  codes.push(...(await Promise.all(runs)));
}
for (const [what, times] of [...tally].sort()) console.log(`${String(times).padStart(12)} ${what}`);
played = seeds * worlds.length;
tell();
const failed = codes.some((code) => code !== 0);
console.log(failed ? "some seeds fail: see above" : "no seed fails");
process.exitCode = failed ? 1 : 0;
