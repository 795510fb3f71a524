/** Keys in memory: for ephemeral ones, for tests, and for browsers without X25519 and Ed25519 of their own. */

import { ed25519, x25519 } from "@noble/curves/ed25519.js";

import { type Bytes, equal } from "./bytes.js";
import type { Rng } from "./ids.js";
import type { DhKey, Keys } from "./keys.js";

/** Keeps an X25519 private key of 32 bytes. */
export function dhKey(privateKey: Bytes): DhKey {
  return {
    publicKey: x25519.getPublicKey(privateKey),
    agree: async (theirs) => {
      const secret = x25519.getSharedSecret(privateKey, theirs);
      // The library refuses it itself; RFC 7748 leaves that to the protocol, and this one counts on it.
      if (equal(secret, new Uint8Array(32))) throw new RangeError("the shared secret is all zeros");
      return Promise.resolve(secret);
    },
  };
}

/** Keeps a device's keys, its Ed25519 one of a seed of 32 bytes. */
export function memoryKeys(seed: Bytes, rng: Rng): Keys {
  return {
    signingKey: ed25519.getPublicKey(seed),
    sign: async (message) => Promise.resolve(ed25519.sign(message, seed)),
    makeDhKey: async () => Promise.resolve(dhKey(rng(32))),
  };
}
