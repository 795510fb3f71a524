/** What the ends of a transfer say to each other beside chunks, written and read. Used by both ends. */

import { create, fromBinary, type MessageInitShape, toBinary } from "@bufbuild/protobuf";

import type { Bytes } from "../bytes.js";
import { Reason } from "../dispatch/api/error/v1/error_pb.js";
import { type TransferWord, TransferWordSchema } from "../dispatch/api/thread/v1/thread_pb.js";
import { Refused } from "../errors.js";
import type { Rng, TransferId } from "../ids.js";
import { type FileSeal, TransferEnd } from "../sealed/file.js";

/** Speaks and understands the words of one transfer, for the end that has it. */
export class Tongue {
  constructor(
    private readonly seal: FileSeal,
    private readonly transferId: TransferId,
    private readonly end: TransferEnd,
    private readonly rng: Rng,
  ) {}

  /** Writes a word. */
  say(word: MessageInitShape<typeof TransferWordSchema>["word"]): Bytes {
    const body = toBinary(TransferWordSchema, create(TransferWordSchema, { word: word ?? { case: undefined } }));
    return this.seal.sealWord(this.transferId, this.end, body, this.rng);
  }

  /** Reads a word of the other end. Throws PROTOCOL_VIOLATION, and what the other end refuses with. */
  understood(sealed: Bytes): TransferWord["word"] {
    const other = this.end === TransferEnd.GIVES ? TransferEnd.TAKES : TransferEnd.GIVES;
    let word: TransferWord["word"];
    try {
      ({ word } = fromBinary(TransferWordSchema, this.seal.openWord(this.transferId, other, sealed)));
    } catch {
      throw new Refused(Reason.PROTOCOL_VIOLATION, "a word of the transfer that can't be read");
    }
    if (word.case === "refused") throw new Refused(word.value, "the other device says so");
    return word;
  }
}
