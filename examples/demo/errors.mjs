import { quoted } from "../../js/command/errors.mjs";

export { quoted };

/** What the person at the terminal can do something about: shown as it is, without a stack. */
export class DemoError extends Error {
  name = "DemoError";
}

/** Whether the message alone tells what is wrong. */
export function isExpected(error) {
  return error instanceof DemoError || error?.code !== undefined;
}

const REASONS = {
  EACCES: "permission denied",
  EPERM: "permission denied",
  ENOENT: "it does not exist",
  ENOTDIR: "it is not a folder",
  ELOOP: "too many symbolic links on the way to it",
  EMFILE: "too many files are open",
  ENAMETOOLONG: "its name is too long",
};

/** Why the file system refused, in words. */
export function reasonOf(error) {
  return REASONS[error.code] ?? error.message;
}
