// What goes wrong, in one line for a person and with a code for a script.

/** The exit codes of the command. */
export const EXIT = { done: 0, wrong: 1, usage: 2, held: 3, interrupted: 130 };

/** An error of which the words alone say what is wrong. */
export class CommandError extends Error {
  name = "CommandError";
  constructor(code, message, { exit = EXIT.wrong, cause } = {}) {
    super(message, { cause });
    this.code = code;
    this.exit = exit;
  }
}

export const usage = (message) => new CommandError("USAGE", message, { exit: EXIT.usage });

/** What a signal aborts with. */
export const interrupted = (name) =>
  new CommandError("INTERRUPTED", `interrupted by ${name}`, { exit: EXIT.interrupted });

export const isInterruption = (error) => error?.code === "INTERRUPTED";

/** Characters that a terminal might obey, that part lines, or that turn the direction of what follows. */
const UNSAFE = /[\p{Cc}\p{Cs}\u2028-\u202e\u2066-\u2069]/gu;
const escaped = (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`;

/** A text from elsewhere in one line that does a terminal no harm. */
export const plain = (text) => String(text).replace(UNSAFE, escaped);

/** The same between quotation marks, for names in messages. */
export const quoted = (text) => `"${plain(text)}"`;

/** What the file system said, about one of the person's own files. */
export function fileError(what, path, error) {
  const words = {
    ENOENT: "it does not exist",
    EACCES: "permission denied",
    EPERM: "permission denied",
    EISDIR: "it is a folder",
    ENOTDIR: "a part of its path is not a folder",
    ENOSPC: "the disk is full",
  };
  const reason = words[error.code] ?? error.message;
  const code = error.code === "ENOENT" ? "NOT_FOUND" : "IO_ERROR";
  return new CommandError(code, `${quoted(path)} ${what}: ${reason}`, { cause: error });
}

/** An error as a script reads it. */
export function errorJson(error) {
  const { code, reason, status } = error ?? {};
  const message = plain(String(error?.message ?? error).replace(/\s*\n\s*/g, " "));
  return { code: typeof code === "string" ? code : "INTERNAL_ERROR", message, reason, status };
}

/** An error as a person reads it. */
export function errorLine(error) {
  const { code, message, reason, status } = errorJson(error);
  const parts = [code, reason, status].filter((part) => part !== undefined);
  return `${message} (${parts.join(", ")})`;
}
