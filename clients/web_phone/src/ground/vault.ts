/** Seals what the browser keeps on its disk, under a key that no script can read out. docs/encryption.md "Keys at rest". */

import { type Bytes, concat, solid, utf8 } from "../protocol/bytes.js";
import { read, write } from "./codec.js";

const NONCE_BYTES = 12;

/** Seals values for a place in the database, and opens them from there and nowhere else. */
export class Vault {
  constructor(private readonly key: CryptoKey) {}

  /** Makes a key for a vault. */
  static async makeKey(): Promise<CryptoKey> {
    return crypto.subtle.generateKey({ name: "AES-GCM", length: 256 }, false, ["encrypt", "decrypt"]);
  }

  /** Seals a value. */
  async seal(place: string, value: unknown): Promise<Bytes> {
    const nonce = crypto.getRandomValues(new Uint8Array(NONCE_BYTES));
    return concat(nonce, new Uint8Array(await crypto.subtle.encrypt(how(nonce, place), this.key, solid(write(value)))));
  }

  /** Opens what was sealed for that place. Rejects when it was changed, moved, or is of another key. */
  async open(place: string, sealed: Bytes): Promise<unknown> {
    const nonce = sealed.slice(0, NONCE_BYTES);
    return read(new Uint8Array(await crypto.subtle.decrypt(how(nonce, place), this.key, solid(sealed.slice(NONCE_BYTES)))));
  }
}

function how(nonce: Bytes, place: string): AesGcmParams {
  return { name: "AES-GCM", iv: solid(nonce), additionalData: solid(utf8(place)) };
}
