/**
 * The end of a transfer that gets a file, as a machine: says where to begin, opens the chunk that is due, says that it is there.
 *
 * The driver keeps each chunk before it hears the next, so that another transfer goes on behind the last one kept; it hashes the whole
 * when all are there. docs/files.md, docs/encryption.md "Files".
 */

import { type Bytes, equal } from "../bytes.js";
import { Reason } from "../dispatch/api/error/v1/error_pb.js";
import { Refused } from "../errors.js";
import type { Rng, TransferId } from "../ids.js";
import { isWord, TransferEnd } from "../sealed/file.js";
import type { Described } from "./described.js";
import { Tongue } from "./words.js";

/** One transfer of one file. */
export class Taking {
  private readonly tongue: Tongue;
  private next: number;

  /** Begins behind the chunks that are kept already. */
  constructor(
    private readonly file: Described,
    transferId: TransferId,
    kept: number,
    rng: Rng,
  ) {
    this.tongue = new Tongue(file.seal, transferId, TransferEnd.TAKES, rng);
    this.next = kept;
  }

  /** Whether every chunk is there. Nothing more is heard then. */
  get whole(): boolean {
    return this.next >= this.file.chunks;
  }

  /** Gives what is said first; nothing when only the last word is missing. */
  begin(): Bytes | null {
    return this.whole ? null : this.tongue.say({ case: "ask", value: this.next });
  }

  /** Opens what was heard: the chunk that is due. Throws PROTOCOL_VIOLATION, and what the other end refuses with. */
  hear(sealed: Bytes): { index: number; content: Bytes } {
    if (this.whole) throw new Refused(Reason.PROTOCOL_VIOLATION, "more than the file is long");
    if (isWord(sealed)) {
      this.tongue.understood(sealed); // throws what it refuses with: who gives has nothing else to say
      throw new Refused(Reason.PROTOCOL_VIOLATION, "who gives says nothing but a refusal");
    }
    let content: Bytes;
    try {
      content = this.file.seal.openChunk(sealed, this.next);
    } catch {
      throw new Refused(Reason.PROTOCOL_VIOLATION, "a chunk that does not open");
    }
    return { index: this.next++, content };
  }

  /** Gives the last word, once the whole file has this digest. Throws FILE_CHANGED when it is another one's: nothing of it may stay. */
  have(sha256: Bytes): Bytes {
    if (!this.whole) throw new Refused(Reason.PROTOCOL_VIOLATION, "it is not whole");
    if (!equal(sha256, this.file.sha256)) throw new Refused(Reason.FILE_CHANGED);
    return this.tongue.say({ case: "have", value: true });
  }

  /** Says that it goes no further. */
  refuse(reason: Reason): Bytes {
    return this.tongue.say({ case: "refused", value: reason });
  }
}
