/**
 * The one primitive that seals everything: ChaCha20-Poly1305 under a key that is fresh for every call.
 *
 * The salt makes a rolled-back key harmless: a key may come back from an old backup, a (key, nonce) pair does not.
 * docs/encryption.md "Box".
 */

import { chacha20poly1305 } from "@noble/ciphers/chacha.js";

import { type Bytes, concat } from "../bytes.js";
import type { Rng } from "../ids.js";
import { SealError } from "./errors.js";
import { mac } from "./kdf.js";

export const SALT_BYTES = 16;
export const OVERHEAD_BYTES = SALT_BYTES + 16;
const NONCE = new Uint8Array(12);

/** Seals text. The result is OVERHEAD_BYTES longer than it. */
export function sealBox(key: Bytes, aad: Bytes, text: Bytes, rng: Rng): Bytes {
  const salt = rng(SALT_BYTES);
  return concat(salt, chacha20poly1305(mac(key, salt), NONCE, aad).encrypt(text));
}

/** Opens a box. Throws SealError. */
export function openBox(key: Bytes, aad: Bytes, box: Bytes): Bytes {
  if (box.length < OVERHEAD_BYTES) throw new SealError("MALFORMED");
  const boxKey = mac(key, box.subarray(0, SALT_BYTES));
  try {
    return chacha20poly1305(boxKey, NONCE, aad).decrypt(box.subarray(SALT_BYTES));
  } catch {
    throw new SealError("BAD_TAG"); // without a cause: the library's error has nothing to add
  }
}
