/**
 * Seals a file chunk by chunk, and what the two ends of a transfer say about it. docs/encryption.md "Files".
 *
 * A chunk is bound to its file and its place, and says whether it is the last: a server can neither move, repeat nor end anything
 * unseen. A word is bound to its transfer and to the end that says it, so that none is good a second time.
 */

import { type Bytes, concat, readU32, u32, utf8 } from "../bytes.js";
import { ID_BYTES, type FileId, type Rng, type TransferId } from "../ids.js";
import { openBox, OVERHEAD_BYTES, sealBox } from "./box.js";
import { SealError } from "./errors.js";

export const CHUNK_BYTES = 64 * 1024;
export const KEY_BYTES = 32;
/** A place is a uint32. */
export const LONGEST_FILE_BYTES = CHUNK_BYTES * 2 ** 32;
const CHUNK = 1;
const WORD = 2;
const HEAD_BYTES = 1 + 4;

/** Which end of a transfer speaks. */
export const TransferEnd = { GIVES: 0, TAKES: 1 } as const;
export type TransferEnd = (typeof TransferEnd)[keyof typeof TransferEnd];

/** Gives the number of chunks of a file: an empty one has one, so that its end can be told. */
export function countOf(size: number): number {
  return Math.max(1, Math.ceil(size / CHUNK_BYTES));
}

/** Gives the bytes in a chunk of a file of that size. */
export function lengthOf(index: number, size: number): number {
  return Math.min(CHUNK_BYTES, size - index * CHUNK_BYTES);
}

/** The key of one file and what is sealed with it. */
export class FileSeal {
  constructor(
    readonly fileId: FileId,
    readonly size: number,
    private readonly key: Bytes,
  ) {}

  /** Seals a chunk. */
  sealChunk(index: number, content: Bytes, rng: Rng): Bytes {
    return concat(Uint8Array.of(CHUNK), u32(index), sealBox(this.key, this.chunkAad(index), content, rng));
  }

  /** Opens the chunk that is due. Throws SealError for any other, and for one of the wrong length. */
  openChunk(sealed: Bytes, expected: number): Bytes {
    if (sealed.length !== HEAD_BYTES + OVERHEAD_BYTES + lengthOf(expected, this.size) || sealed[0] !== CHUNK) {
      throw new SealError("MALFORMED");
    }
    const index = readU32(sealed, 1);
    if (index !== expected) throw new SealError(index < expected ? "TOO_OLD" : "TOO_FAR");
    return openBox(this.key, this.chunkAad(index), sealed.subarray(HEAD_BYTES));
  }

  /** Seals a serialized TransferWord. */
  sealWord(transferId: TransferId, end: TransferEnd, body: Bytes, rng: Rng): Bytes {
    return concat(Uint8Array.of(WORD), sealBox(this.key, this.wordAad(transferId, end), body, rng));
  }

  /** Opens a word of the other end. Throws SealError. */
  openWord(transferId: TransferId, end: TransferEnd, sealed: Bytes): Bytes {
    if (!isWord(sealed)) throw new SealError("MALFORMED");
    return openBox(this.key, this.wordAad(transferId, end), sealed.subarray(1));
  }

  private chunkAad(index: number): Bytes {
    const last = index === countOf(this.size) - 1 ? 1 : 0;
    return concat(utf8("dispatch/file/1"), this.fileId, u32(index), Uint8Array.of(last));
  }

  private wordAad(transferId: TransferId, end: TransferEnd): Bytes {
    if (transferId.length !== ID_BYTES) throw new SealError("MALFORMED");
    return concat(utf8("dispatch/file-word/1"), this.fileId, transferId, Uint8Array.of(end));
  }
}

/** Tells a word from a chunk. */
export function isWord(sealed: Bytes): boolean {
  return sealed[0] === WORD;
}
