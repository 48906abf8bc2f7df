// The peer: the token that lets in, and an engine that exchanges with it.
import { readFile, stat } from "node:fs/promises";
import { isIPv4 } from "node:net";
import sync from "./package.mjs";
import { fileError, plain, quoted, usage } from "./errors.mjs";

/** Whether it is this machine alone that reaches the host. */
export const isLoopback = (host) =>
  host === "localhost" ||
  host === "::1" ||
  host === "[::1]" ||
  (isIPv4(host) && host.startsWith("127."));

/**
 * The token, or `undefined`. A flag counts before STARKEEP_SYNC_TOKEN, which counts before any other place of a file.
 *
 * @param {import("./main.mjs").Call} call
 */
export async function readToken({ values, from, warn }) {
  const { token, tokenFile } = values;
  if (token !== undefined && from.tokenFile !== "flags")
    return checkToken("STARKEEP_SYNC_TOKEN", token);
  if (tokenFile === undefined) return undefined;
  const text = await readFile(tokenFile, "utf8").catch((error) => {
    throw Object.assign(fileError("(the token file) cannot be read", tokenFile, error), {
      exit: 2,
    });
  });
  const { mode } = await stat(tokenFile);
  if (process.platform !== "win32" && (mode & 0o077) !== 0)
    warn(`other users may read the token in ${quoted(tokenFile)}: chmod 600 keeps them from it`);
  return checkToken(quoted(tokenFile), text.trim());
}

/** The token, and `renew`, which reads it anew and answers whether it is another one. */
export async function createCredentials(call) {
  const credentials = {
    token: await readToken(call),
    async renew() {
      const before = credentials.token;
      // A file that is being written anew may be away for a moment.
      const now = await readToken(call).catch(() => undefined);
      credentials.token = now ?? before;
      return credentials.token !== before;
    },
  };
  return credentials;
}

function checkToken(place, token) {
  if (/^[\x21-\x7e]+$/.test(token)) return token;
  const got = token === "" ? "nothing" : "another text, which is not shown";
  throw usage(`the token in ${place} must be one line of visible ASCII characters, got ${got}`);
}

/**
 * How the peer is reached. `credentials` has the token, which may be renewed.
 *
 * @param {import("./main.mjs").Call} call
 */
export async function peerOptions(call, credentials) {
  const { url, ca } = call.values;
  const { token } = (credentials ??= await createCredentials(call));
  const { protocol, hostname } = new URL(url);
  if (token !== undefined && protocol === "http:" && !isLoopback(hostname))
    call.warn(`the token goes to ${plain(hostname)} without TLS: all on the way can read it`);
  if (ca !== undefined) {
    const pem = await readFile(ca, "utf8").catch((error) => {
      throw Object.assign(fileError("(--ca) cannot be read", ca, error), { exit: 2 });
    });
    if (!pem.includes("-----BEGIN CERTIFICATE-----"))
      throw usage(`${quoted(ca)} (--ca) must hold PEM certificates, got none`);
    // Where the client looks for certificates besides the system's.
    process.env.NODE_EXTRA_CA_CERTS = ca;
  }
  return {
    baseUrl: url,
    retries: 2,
    ...(token === undefined ? {} : { getAuthHeader: () => `Bearer ${credentials.token}` }),
  };
}

/** An engine between the place and the peer. */
export function engineFor({ database, objects, clock, state }, peer) {
  return sync.createSyncEngine({
    localDatabaseAdapter: database,
    localObjectStorage: objects,
    remoteObjectStorage: sync.createHttpObjectStorage(peer),
    transport: sync.createHttpSyncTransport(peer),
    clock,
    syncState: state,
    verifyContentHash: true,
  });
}
