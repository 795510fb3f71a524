/**
 * The bytes of a sealed frame: what stands in the clear, what is bound, how the text is padded. Holds no key.
 *
 *     sealed = version (1) | epoch (8) | n (8) | box
 *
 * docs/encryption.md "Frames".
 */

import { type Bytes, concat, readU32, readU64, u32, u64, utf8 } from "../bytes.js";
import { OVERHEAD_BYTES } from "./box.js";
import { SealError } from "./errors.js";

export const VERSION = 1;
export const EPOCH_BYTES = 8;
export const HEADER_BYTES = 1 + EPOCH_BYTES + 8;
/** A text is as long as the smallest of these that holds it: all that a server learns of its size. */
export const TEXT_SIZES = [256, 1024, 4096, 16_384, 65_536] as const;
export const LONGEST_BODY = 65_536 - 4;
const SEALED_SIZES = new Set<number>(TEXT_SIZES.map((size) => HEADER_BYTES + OVERHEAD_BYTES + size));
const AAD = utf8("dispatch/frame/1");

/** Who sealed it: the phone for the host (up), or the host for the phone. */
export const Direction = { UP: 0, DOWN: 1 } as const;
export type Direction = (typeof Direction)[keyof typeof Direction];

/** How the relay treats it. Each class of a direction has a chain of its own: the relay orders only within a class. */
export const FrameClass = { COMMAND: 0, LIVE: 1, KEEP: 2 } as const;
export type FrameClass = (typeof FrameClass)[keyof typeof FrameClass];

/** A sealed frame, taken apart and not opened. */
export interface Frame {
  epoch: Bytes;
  n: bigint;
  box: Bytes;
}

/** Takes a sealed frame apart. Throws SealError. */
export function parse(sealed: Bytes): Frame {
  if (sealed[0] !== VERSION) throw new SealError(sealed.length > 0 ? "VERSION" : "MALFORMED");
  if (!SEALED_SIZES.has(sealed.length)) throw new SealError("MALFORMED");
  return { epoch: sealed.slice(1, 1 + EPOCH_BYTES), n: readU64(sealed, 1 + EPOCH_BYTES), box: sealed.subarray(HEADER_BYTES) };
}

/** Writes what stands before the box. */
export function header(epoch: Bytes, n: bigint): Bytes {
  return concat(Uint8Array.of(VERSION), epoch, u64(n));
}

/** Writes what a frame is bound to: pairing, direction, class and everything that stands in the clear. */
export function aad(pairId: Bytes, direction: Direction, frameClass: FrameClass, head: Bytes): Bytes {
  return concat(AAD, pairId, Uint8Array.of(direction, frameClass), head);
}

/** Writes the text of a frame: length, body, zeros. Throws RangeError for a body over LONGEST_BODY. */
export function pad(body: Bytes): Bytes {
  const size = TEXT_SIZES.find((one) => one >= 4 + body.length);
  if (size === undefined) throw new RangeError(`a body has at most ${LONGEST_BODY} bytes`);
  const text = new Uint8Array(size);
  text.set(u32(body.length));
  text.set(body, 4);
  return text;
}

/** Reads the body out of a text. Throws SealError. */
export function unpad(text: Bytes): Bytes {
  const end = 4 + readU32(text);
  if (end > text.length || text.subarray(end).some((byte) => byte !== 0)) throw new SealError("MALFORMED");
  return text.slice(4, end);
}
