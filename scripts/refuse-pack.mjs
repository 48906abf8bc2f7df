// The checkout is not what is published: it names no binaries, and has at most the one that was built here.
console.error(
  "A package of the checkout would have no binary. `node scripts/pack.mjs --out DIR` packs what is published; with " +
    "`--platform NAME --binary FILE` it packs the binary for a platform.",
);
process.exitCode = 1;
