"use strict";

/** Where the peers are that transports of this package speak to. */
const peers = new WeakMap();

/** The URL as it can be told: without what grants access. */
function shown(baseUrl) {
  try {
    const { origin, pathname } = new URL(baseUrl);
    return `${origin}${pathname.replace(/\/+$/, "")}`;
  } catch {
    return undefined;
  }
}

/** The transport, which speaks to the peer at `baseUrl` from now on. */
exports.withPeer = function withPeer(transport, baseUrl) {
  peers.set(transport, shown(baseUrl));
  return transport;
};

/** Where the peer of a transport is; `undefined` where that is not known. */
exports.peerOf = (transport) => peers.get(transport);
