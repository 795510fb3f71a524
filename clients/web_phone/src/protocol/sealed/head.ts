/** A place in the host's chain of events, as both sides name it to each other. docs/encryption.md "Heads". */

import { type Bytes, concat, equal, readU64, u64 } from "../bytes.js";

export const HASH_BYTES = 32;
/** What stands for the event before the first. */
export const ZERO_HASH: Bytes = new Uint8Array(HASH_BYTES);

/** The number and hash of an event; number 0 and zeros before the first. */
export interface Head {
  readonly number: bigint;
  readonly hash: Bytes;
}

export const NO_HEAD: Head = { number: 0n, hash: ZERO_HASH };

/** Writes number (uint64) | hash. */
export function headBytes(head: Head): Bytes {
  return concat(u64(head.number), head.hash);
}

/** Reads what `headBytes` wrote. Throws RangeError. */
export function readHead(data: Bytes): Head {
  if (data.length !== 8 + HASH_BYTES) throw new RangeError("a head is a 64-bit number and a 32-byte hash");
  return { number: readU64(data), hash: data.slice(8) };
}

/** Tells whether two heads are the same place. */
export function sameHead(a: Head, b: Head): boolean {
  return a.number === b.number && equal(a.hash, b.hash);
}
