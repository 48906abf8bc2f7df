import { mkdtemp, rm } from "node:fs/promises";
import { workloads } from "./workloads/index.mjs";
import { loadEngine } from "./lib/engines.mjs";
const name = process.env.W ?? "http-first-sync-native";
const w = workloads.find((x) => x.name === name);
const engine = { specifier: "../index.mjs", role: "ours", label: "ours", module: await import("../index.mjs") };
engine.specifier = new URL("../index.mjs", import.meta.url).href;
const out = [];
for (let i = 0; i < Number(process.argv[2] ?? 3); i++) {
  const dir = await mkdtemp("/tmp/benchscratch/h-");
  const ctx = await w.setup(engine, w.sizes.full, dir);
  const v = await w.measure(ctx, engine);
  await w.check?.(ctx, engine); await w.close(ctx); await rm(dir, { recursive: true });
  out.push(Math.round(v));
}
console.log(name, out.join(" "), "median", out.sort((a, b) => a - b)[out.length >> 1]);
