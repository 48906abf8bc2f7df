// The checkout is not what is published.
console.error("Publish the tarballs that scripts/pack.mjs writes: the checkout's package names no binaries.");
process.exitCode = 1;
