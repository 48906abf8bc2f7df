"use strict";

/**
 * @typedef {object} Miss what is known where no binary loads
 * @property {string} name this package
 * @property {string} wanted the package with the binary for this platform
 * @property {string} file the binary in it
 * @property {readonly string[]} published the platforms that there are such packages for
 * @property {boolean} isPublished whether this platform is one of them
 * @property {boolean} isInstalled whether `wanted` is found from here
 * @property {string[]} others packages and files for other platforms that are found from here
 * @property {string | undefined} bundle the bundle that this code is a part of
 * @property {(Error & { code?: string })[]} failures of each place
 */

const NOT_FOUND = "MODULE_NOT_FOUND";
const hasCode = (code) => (error) => error?.code === code;

/** The flag that keeps addons out: with one of the two Node.js gives the same error. */
function keptOut() {
  const { permission } = process;
  if (permission !== undefined && !permission.has("addon")) {
    return (
      "Node.js runs with its permission model (--permission), which keeps native addons out: start it with --allow-addons as well, and with " +
      "--allow-fs-read for the folder of the app. Nothing has to be installed again. " +
      "What an addon does with files and sockets, Node.js does not check."
    );
  }
  return (
    "Node.js runs with --no-addons, which keeps native addons out: start it without that flag, also in NODE_OPTIONS. " +
    "Nothing has to be installed again."
  );
}

/** @param {Miss} miss */
function inBundle({ name, wanted, file, others, bundle }) {
  const found = others.length === 0 ? "" : ` (there is ${others.join(", ")}, of another system)`;
  return (
    `The package is part of the bundle ${bundle}, and no bundler puts a binary into one. Either copy ` +
    `node_modules/${wanted}/${file} beside the bundle${found}, or keep ${name} out of the bundle, as an external ` +
    "package, and ship node_modules with it."
  );
}

/** What the user can do about it. @param {Miss} miss */
exports.adviceFor = function adviceFor(miss) {
  const { failures, bundle, others } = miss;
  if (failures.some(hasCode("ERR_DLOPEN_DISABLED"))) return keptOut();
  const denied = failures.find(hasCode("ERR_ACCESS_DENIED"));
  if (denied !== undefined) {
    return (
      "Node.js runs with its permission model (--permission), and may not read where the binary is: start it with --allow-fs-read for the " +
      `folder of the app, and with --allow-addons. It was refused ${denied.resource}.`
    );
  }
  if (!miss.isPublished) {
    return (
      `There is none for this platform, only for ${miss.published.join(", ")}. ` +
      "With a Rust toolchain it can be built from a checkout of the sources: `npm run setup`."
    );
  }
  if (miss.isInstalled || failures.some(({ code }) => code !== NOT_FOUND)) {
    const what = miss.isInstalled ? "The package is installed" : "There is one";
    return (
      `${what}, but its binary does not load here, for the reason below. ` +
      "On Linux with glibc it needs glibc 2.28 or newer."
    );
  }
  if (bundle !== undefined) return inBundle(miss);
  if (others.length > 0) {
    return (
      `What is installed is ${others.join(", ")}: node_modules comes from another system or another ` +
      "build of Node.js. Install again on the system that runs the app."
    );
  }
  return (
    "It is an optional dependency, and the package manager left it out: delete node_modules and the " +
    "lock file (npm keeps to a lock file that was written on another system) and install again, " +
    "without --omit=optional or --no-optional. In a checkout, run `npm run setup`."
  );
};
