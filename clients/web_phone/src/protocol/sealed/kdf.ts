/** HKDF-SHA256 with the labels of the protocol, and HMAC. Knows no label's meaning. docs/encryption.md "Conventions". */

import { hmac } from "@noble/hashes/hmac.js";
import { sha256 } from "@noble/hashes/sha2.js";

import { type Bytes, concat, utf8 } from "../bytes.js";

const DIGEST_BYTES = 32;
const NAMESPACE = utf8("dispatch/1 ");
const END = Uint8Array.of(1);

/** Computes HMAC-SHA256. */
export function mac(key: Bytes, data: Bytes): Bytes {
  return hmac(sha256, key, data);
}

/** Computes HKDF-Extract; an empty salt counts as 32 zeros, as RFC 5869 has it. */
export function extract(salt: Bytes, ikm: Bytes): Bytes {
  return mac(salt.length > 0 ? salt : new Uint8Array(DIGEST_BYTES), ikm);
}

/** Computes KDF(prk, label, length): HKDF-Expand with "dispatch/1 " before the label. At most 32 bytes, else RangeError. */
export function derive(prk: Bytes, label: Bytes | string, length: number): Bytes {
  if (length <= 0 || length > DIGEST_BYTES) throw new RangeError("the protocol derives at most 32 bytes at a time");
  const written = typeof label === "string" ? utf8(label) : label;
  return mac(prk, concat(NAMESPACE, written, END)).slice(0, length);
}

/** Computes the prk of a handshake: Noise's two keys and the KEM's secret, salted with the handshake hash. */
export function agree(split: { h: Bytes; k1: Bytes; k2: Bytes }, sharedSecret: Bytes): Bytes {
  return extract(split.h, concat(split.k1, split.k2, sharedSecret));
}
