/** The end of a transfer that gives a file, as a machine: hears where to begin, seals chunk after chunk, hears that it is there. docs/files.md. */

import type { Bytes } from "../bytes.js";
import { Reason } from "../dispatch/api/error/v1/error_pb.js";
import { Refused } from "../errors.js";
import type { Rng, TransferId } from "../ids.js";
import { lengthOf, TransferEnd } from "../sealed/file.js";
import type { Described } from "./described.js";
import { Tongue } from "./words.js";

/** What a giver waits for: where to begin; the end, while it sends; nothing more. */
export type GivingState = "ASK" | "HAVE" | "OVER";

/** One transfer of one file. */
export class Giving {
  private readonly tongue: Tongue;
  private now: GivingState = "ASK";

  constructor(
    private readonly file: Described,
    transferId: TransferId,
    private readonly rng: Rng,
  ) {
    this.tongue = new Tongue(file.seal, transferId, TransferEnd.GIVES, rng);
  }

  /** What it waits for. */
  get state(): GivingState {
    return this.now;
  }

  /** Takes a word: gives the chunk to begin with, or null when the other end has the file. Throws PROTOCOL_VIOLATION, and its refusal. */
  hear(sealed: Bytes): number | null {
    const word = this.tongue.understood(sealed);
    if (word.case === "have" && this.now !== "OVER") {
      this.now = "OVER";
      return null;
    }
    if (word.case !== "ask" || this.now !== "ASK" || word.value > this.file.chunks) throw new Refused(Reason.PROTOCOL_VIOLATION, "a transfer begins with where to begin");
    this.now = "HAVE";
    return word.value;
  }

  /** Seals a chunk. Throws FILE_CHANGED when its content has become shorter: the other end is to be told (`refuse`). */
  chunk(index: number, content: Bytes): Bytes {
    if (content.length !== lengthOf(index, this.file.size)) throw new Refused(Reason.FILE_CHANGED, "it became shorter");
    return this.file.seal.sealChunk(index, content, this.rng);
  }

  /** Says that it goes no further. */
  refuse(reason: Reason): Bytes {
    return this.tongue.say({ case: "refused", value: reason });
  }
}
