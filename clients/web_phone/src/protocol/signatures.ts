/** Ed25519 as everything here checks it. Signing is behind `keys`. */

import { ed25519 } from "@noble/curves/ed25519.js";

import type { Bytes } from "./bytes.js";

export const KEY_BYTES = 32;
export const SIGNATURE_BYTES = 64;

const P = 2n ** 255n - 19n;
const Y8 = 0x05fc536d880238b13933c6d305acdfd5f098eff289f4c345b027b2c28f95e826n;
// The y of the eight points of small order: under such a "key" one signature fits every message, and some libraries accept it.
// Compared after reduction, because the encoding of y is not unique.
const SMALL = new Set([0n, 1n, P - 1n, Y8, P - Y8]);

/** Tells whether the signature is by that key over that message. Wrong lengths and unusable keys are simply no. */
export function verify(publicKey: Bytes, signature: Bytes, message: Bytes): boolean {
  if (signature.length !== SIGNATURE_BYTES || !usable(publicKey)) return false;
  try {
    // Strictly as RFC 8032 has it, like the other clients: by the rules of ZIP 215 more signatures would fit here.
    return ed25519.verify(signature, message, publicKey, { zip215: false });
  } catch {
    return false;
  }
}

/** Tells whether these 32 bytes may be somebody's Ed25519 key: not a point for which anyone can sign. */
export function usable(publicKey: Bytes): boolean {
  return publicKey.length === KEY_BYTES && !SMALL.has(y(publicKey));
}

function y(publicKey: Bytes): bigint {
  let value = 0n;
  for (let i = KEY_BYTES - 1; i >= 0; i--) value = (value << 8n) | BigInt(publicKey[i] ?? 0);
  return (value & (2n ** 255n - 1n)) % P;
}
