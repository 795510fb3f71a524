/**
 * How a device proves its key to a server, and how a server's word about a device is checked. Byte strings and verdicts only.
 * docs/encryption.md "Proof of a stream", "Proof of a transfer", "Proof of a call", "Grant", "Key set".
 */

import { sha256 } from "@noble/hashes/sha2.js";

import { type Bytes, concat, equal, u64, utf8 } from "./bytes.js";
import { enc } from "./encoding.js";
import { type DeviceId, ID_BYTES, id } from "./ids.js";
import { KEY_BYTES, usable, verify } from "./signatures.js";

export const NONCE_BYTES = 32;
const KEY_ID_BYTES = 8;

/** Computes the id of the device that has this Ed25519 key. */
export function deviceId(publicKey: Bytes): DeviceId {
  return id<DeviceId>(sha256(concat(utf8("dispatch/device/1"), publicKey)).slice(0, ID_BYTES));
}

/** What every proof at the beginning of a stream is about. `dialled` is the address as the client dialled it, `grant` a whole SignedGrant. */
export interface StreamProof {
  dialled: string;
  device: Bytes;
  clientNonce: Bytes;
  serverNonce: Bytes;
  grant: Bytes;
}

/** Writes what a device signs at the start of a stream. */
export function streamProofBytes(of: StreamProof): Bytes {
  return enc("dispatch-pop/1 stream", of.dialled, of.device, of.clientNonce, of.serverNonce, sha256(of.grant));
}

/** Writes what a device signs to join a transfer: as for a stream, and for this transfer only. */
export function transferProofBytes(of: StreamProof & { transferId: Bytes }): Bytes {
  const { dialled, device, clientNonce, serverNonce, grant, transferId } = of;
  return enc("dispatch-pop/1 transfer", dialled, device, clientNonce, serverNonce, sha256(grant), transferId);
}

/** Writes what a device signs for one call. `method` is "/package.Service/Method"; `request` are its exact bytes. */
export function callProofBytes(of: { dialled: string; method: string; device: Bytes; nonce: Bytes; request: Bytes }): Bytes {
  return enc("dispatch-pop/1 call", of.dialled, of.method, of.device, of.nonce, sha256(of.request));
}

/** Computes the 8 bytes by which a signing key of the service is named. */
export function keyId(publicKey: Bytes): Bytes {
  return sha256(publicKey).slice(0, KEY_ID_BYTES);
}

/** A signature, and by which of the service's keys. */
export interface KeySignature {
  keyId: Bytes;
  signature: Bytes;
}

/** The keys that sign grants, current one first: one, or two during a rotation. `sequence` counts the changes. */
export interface PinnedKeys {
  keys: readonly Bytes[];
  sequence: bigint;
}

/** Tells whether these are one or two different, usable keys. */
export function isKeySet(keys: PinnedKeys): boolean {
  const [first, second] = keys.keys;
  if (first === undefined || keys.keys.length > 2) return false;
  if (second !== undefined && equal(first, second)) return false;
  return keys.keys.every((key) => key.length === KEY_BYTES && usable(key));
}

/** Tells whether one of the pinned keys signed exactly these bytes. Parse them only after this. */
export function verifyGrant(pinned: PinnedKeys, grant: Bytes, signature: KeySignature): boolean {
  return signedBy(pinned.keys, enc("dispatch/grant/1", grant), [signature]);
}

/**
 * Tells whether an offered key set is to be taken for the known one.
 *
 * With nothing known (first start) the connection is what vouches for it; its own current key must have signed it all the same.
 * Later only a higher sequence that a *known* key signed is taken: no stranger's set gets in, nor an old one.
 */
export function mayReplace(known: PinnedKeys | null, offered: PinnedKeys, signatures: readonly KeySignature[]): boolean {
  const words = keySetBytes(offered);
  if (!isKeySet(offered) || !signedBy(offered.keys.slice(0, 1), words, signatures)) return false;
  return known === null || (offered.sequence > known.sequence && signedBy(known.keys, words, signatures));
}

/** Writes what the keys of a set, and those of the one before it, sign. */
export function keySetBytes(keys: PinnedKeys): Bytes {
  return enc("dispatch/keys/1", u64(keys.sequence), ...keys.keys);
}

function signedBy(keys: readonly Bytes[], message: Bytes, signatures: readonly KeySignature[]): boolean {
  return keys.some((key) => signatures.some((one) => equal(keyId(key), one.keyId) && verify(key, one.signature, message)));
}
