/**
 * How fields become the exact bytes that are signed, hashed or bound: `enc`, and the id of a sealed message.
 * docs/encryption.md "Conventions".
 */

import { sha256 } from "@noble/hashes/sha2.js";

import { type Bytes, concat, utf8 } from "./bytes.js";
import { ID_BYTES, id, type MessageId } from "./ids.js";

const LONGEST_FIELD = 0xffff;

/** Bytes are not what `enc` writes, or a field is too long for it. Says nothing of the content. */
export class EncodingError extends Error {}

/**
 * Writes each field as its length (uint16, big-endian) and its bytes; text is UTF-8.
 *
 * Two different lists of fields never give the same bytes, so this is what signatures are over. Throws EncodingError.
 */
export function enc(...fields: (Bytes | string)[]): Bytes {
  const parts = fields.flatMap((field) => {
    const value = typeof field === "string" ? utf8(field) : field;
    if (value.length > LONGEST_FIELD) throw new EncodingError("a field is longer than 65,535 bytes");
    return [Uint8Array.of(value.length >> 8, value.length & 0xff), value];
  });
  return concat(...parts);
}

/** Computes the id of a sealed message. Phone, host and relay each do it: the same id is the same bytes. */
export function messageId(sealed: Bytes): MessageId {
  return id<MessageId>(sha256(sealed).slice(0, ID_BYTES));
}
