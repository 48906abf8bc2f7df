// Certificates for tests of TLS, written byte by byte (X.509 in DER): the tests then need no command and no package, and
// can make one that has expired, of another name, or by an authority, on every platform.
import { generateKeyPairSync, randomBytes, sign } from "node:crypto";
import { isIP } from "node:net";

function tagged(tag, ...parts) {
  const body = Buffer.concat(parts);
  const size = Buffer.from(body.length.toString(16).padStart(4, "0"), "hex");
  const head = body.length < 128 ? [body.length] : [0x82, ...size];
  return Buffer.concat([Buffer.from([tag, ...head]), body]);
}

const sequence = (...parts) => tagged(0x30, ...parts);
const octets = (bytes) => tagged(0x04, bytes);
const bits = (bytes) => tagged(0x03, Buffer.from([0]), bytes);
const oid = (hex) => tagged(0x06, Buffer.from(hex, "hex"));
const TRUE = tagged(0x01, Buffer.from([0xff]));

const ECDSA_WITH_SHA256 = sequence(oid("2a8648ce3d040302"));
const COMMON_NAME = oid("550403");
const SUBJECT_ALT_NAME = oid("551d11");
const BASIC_CONSTRAINTS = oid("551d13");

const nameOf = (text) =>
  sequence(tagged(0x31, sequence(COMMON_NAME, tagged(0x0c, Buffer.from(text)))));

/** As `20261129192000Z`. */
const timeOf = (date) =>
  tagged(0x18, Buffer.from(`${date.toISOString().replace(/[-:T]|\.\d+Z$/g, "")}Z`));

const alternative = (name) =>
  isIP(name) === 4
    ? tagged(0x87, Buffer.from(name.split(".").map(Number)))
    : tagged(0x82, Buffer.from(name));

const pemOf = (der) =>
  `-----BEGIN CERTIFICATE-----\n${der.toString("base64").replace(/.{1,64}/g, "$&\n")}-----END CERTIFICATE-----\n`;

const DAY = 24 * 60 * 60 * 1000;

/**
 * A certificate and its key, as PEM texts: for these names, signed by `issuer` or by itself, an authority's or not, and
 * valid from a day ago for so many days.
 */
export function certificateFor(names, { issuer, isAuthority = false, days = 30 } = {}) {
  const { publicKey, privateKey } = generateKeyPairSync("ec", { namedCurve: "prime256v1" });
  const serial = Buffer.concat([Buffer.from([1]), randomBytes(8)]);
  const subject = nameOf(`test ${serial.toString("hex")}`);
  const begin = Date.now() - DAY;
  const extensions = [
    sequence(BASIC_CONSTRAINTS, TRUE, octets(isAuthority ? sequence(TRUE) : sequence())),
    sequence(SUBJECT_ALT_NAME, octets(sequence(...names.map(alternative)))),
  ];
  const content = sequence(
    tagged(0xa0, tagged(0x02, Buffer.from([2]))),
    tagged(0x02, serial),
    ECDSA_WITH_SHA256,
    issuer?.subject ?? subject,
    sequence(timeOf(new Date(begin)), timeOf(new Date(begin + days * DAY))),
    subject,
    publicKey.export({ type: "spki", format: "der" }),
    tagged(0xa3, sequence(...extensions)),
  );
  const signature = sign("sha256", content, issuer?.privateKey ?? privateKey);
  return {
    cert: pemOf(sequence(content, ECDSA_WITH_SHA256, bits(signature))),
    key: privateKey.export({ type: "pkcs8", format: "pem" }),
    privateKey,
    subject,
  };
}
