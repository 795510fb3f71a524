/**
 * The seam behind which a device keeps its private keys: operations, never bytes.
 *
 * A browser keeps both kinds as non-extractable WebCrypto keys in IndexedDB, whose operations are asynchronous; `memory_keys`
 * has them in memory. Keys that live for one handshake are not behind it. docs/encryption.md "Keys at rest".
 */

import type { Bytes } from "./bytes.js";

/** Signs with the device's Ed25519 key. */
export type Signer = (message: Bytes) => Promise<Bytes>;

/** An X25519 key pair of which only the public half is seen. */
export interface DhKey {
  /** 32 bytes. */
  readonly publicKey: Bytes;
  /** Gives the shared secret, 32 bytes. Rejects when it would be all zeros, or when these are no 32 bytes. */
  agree(theirs: Bytes): Promise<Bytes>;
}

/** What a device holds of secrets. */
export interface Keys {
  /** The device's Ed25519 public key, which names it. */
  readonly signingKey: Bytes;
  /** Signs with it. */
  readonly sign: Signer;
  /** Makes the X25519 key of one pairing. It is kept with the pairing, by whoever keeps that. */
  makeDhKey(): Promise<DhKey>;
}
