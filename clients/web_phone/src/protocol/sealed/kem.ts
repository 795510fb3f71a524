/**
 * ML-KEM-768: a second secret beside the curve, so that traffic recorded today stays closed to a quantum computer.
 *
 * A phone makes the key and decapsulates; encapsulation is the host's. The library has not been audited yet, which is one more
 * reason why this secret is an addition and never the only one. docs/encryption.md "The second secret".
 */

import { ml_kem768 } from "@noble/post-quantum/ml-kem.js";

import type { Bytes } from "../bytes.js";

export const KEY_BYTES = 1184;
export const CIPHERTEXT_BYTES = 1088;
export const SEED_BYTES = 64;

/** A key for one handshake. */
export interface DecapsulationKey {
  /** The 1,184 bytes that the peer encapsulates to. */
  readonly publicKey: Bytes;
  /** Secret; in the library's expanded form. */
  readonly secretKey: Bytes;
}

/** Makes a key from 64 bytes, d | z of FIPS 203. */
export function generate(seed: Bytes): DecapsulationKey {
  return ml_kem768.keygen(seed);
}

/** Gives the secret. A ciphertext made for another key gives some other secret, not an error; a wrong length throws. */
export function decapsulate(key: DecapsulationKey, ciphertext: Bytes): Bytes {
  return ml_kem768.decapsulate(ciphertext, key.secretKey);
}
