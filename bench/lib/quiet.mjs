/**
 * Keeps Node's remark that `node:sqlite` is experimental out of the results; all other warnings are
 * shown. Imported before everything else.
 */
process.removeAllListeners("warning");
process.on("warning", (warning) => {
  if (warning.name === "ExperimentalWarning" && warning.message.includes("SQLite")) return;
  console.error(warning.stack ?? warning.message);
});
