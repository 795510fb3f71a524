/** What a phone keeps of a pairing for as long as it lasts. Written by the end of a ceremony, used by every session. docs/encryption.md "What is kept". */

import type { Bytes } from "../bytes.js";
import type { PairId } from "../ids.js";
import type { DhKey } from "../keys.js";

/** The keys of one pairing on this phone. */
export interface PairKeys {
  readonly pairId: PairId;
  /** This device's key for this pairing alone. */
  readonly ownX25519: DhKey;
  /** The host's public key for this pairing. */
  readonly peerX25519: Bytes;
  /** This device's public signing key; its private half is behind `Keys` and not of the pairing. */
  readonly ownEd25519: Bytes;
  /** The host's public signing key. */
  readonly peerEd25519: Bytes;
  /** 32 secret bytes that are used for nothing but the psk of a session. */
  readonly pairPsk: Bytes;
}
