// A registry of npm packages on 127.0.0.1 that has the tarballs it was given and nothing else.
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import { gunzipSync } from "node:zlib";

const BLOCK = 512;

/** The files of a tarball as npm packs it, by name. */
export function filesIn(tarball) {
  const bytes = gunzipSync(tarball);
  const files = new Map();
  for (let at = 0; at + BLOCK <= bytes.length;) {
    const field = (start, length) => bytes.toString("latin1", at + start, at + start + length);
    const size = parseInt(field(124, 12), 8) || 0;
    const name = field(0, 100).replace(/\0.*$/s, "");
    if (name !== "") files.set(name, bytes.subarray(at + BLOCK, at + BLOCK + size));
    at += BLOCK + Math.ceil(size / BLOCK) * BLOCK;
  }
  return files;
}

/** What the registry tells of a version, and its bytes where they are there to be had. */
export function published(path) {
  const tarball = readFileSync(path);
  return { manifest: JSON.parse(filesIn(tarball).get("package/package.json")), tarball };
}

function document({ manifest, tarball = Buffer.alloc(0) }, origin) {
  const { name, version } = manifest;
  const dist = {
    tarball: `${origin}/${name}/-/${version}.tgz`,
    integrity: `sha512-${createHash("sha512").update(tarball).digest("base64")}`,
  };
  return {
    name,
    "dist-tags": { latest: version },
    versions: { [version]: { ...manifest, dist } },
  };
}

/**
 * Starts it. `asked` becomes the names of the packages whose tarballs were asked for.
 *
 * @param {{ manifest: object, tarball?: Buffer }[]} packages without a tarball it is known, not to be had
 */
export async function startRegistry(packages) {
  const asked = [];
  const byName = new Map(packages.map((one) => [one.manifest.name, one]));
  const server = createServer((request, response) => {
    const [name, file] = decodeURIComponent(request.url.slice(1)).split("/-/");
    const one = byName.get(name);
    if (file !== undefined) asked.push(name);
    if (one === undefined || (file !== undefined && one.tarball === undefined)) {
      response.writeHead(404, { "content-type": "application/json" }).end("{}");
    } else if (file === undefined) {
      const origin = `http://127.0.0.1:${server.address().port}`;
      response.writeHead(200, { "content-type": "application/json" });
      response.end(JSON.stringify(document(one, origin)));
    } else {
      response.writeHead(200).end(one.tarball);
    }
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    asked,
    url: `http://127.0.0.1:${server.address().port}/`,
    close() {
      server.closeAllConnections();
      return new Promise((resolve) => server.close(resolve));
    },
  };
}
