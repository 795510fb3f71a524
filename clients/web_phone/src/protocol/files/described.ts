/** What names a file under the seal of the thread: its id, key, name, size and digest, checked. docs/files.md. */

import { type Bytes } from "../bytes.js";
import { Reason } from "../dispatch/api/error/v1/error_pb.js";
import type { Attachment } from "../dispatch/api/thread/v1/thread_pb.js";
import { Refused } from "../errors.js";
import { type FileId, ID_BYTES } from "../ids.js";
import { countOf, FileSeal, KEY_BYTES, LONGEST_FILE_BYTES } from "../sealed/file.js";

const DIGEST_BYTES = 32;
const LONGEST_NAME = 1024;

/** A file as its author names it. The name is the peer's: whoever shows or saves it makes it safe. */
export interface Described {
  readonly name: string;
  readonly size: number;
  readonly chunks: number;
  readonly sha256: Bytes;
  readonly seal: FileSeal;
}

/** Reads what a peer named. Throws BAD_REQUEST for what is no description of a file, TOO_LARGE. */
export function described(said: Attachment, mostBytes = LONGEST_FILE_BYTES): Described {
  const { fileId, key, sha256, name, size } = said;
  const fits = fileId.length === ID_BYTES && key.length === KEY_BYTES && sha256.length === DIGEST_BYTES;
  if (!fits || name === "" || name.length > LONGEST_NAME) throw new Refused(Reason.BAD_REQUEST, "what should name a file does not", 0, { field: "file" });
  if (size > BigInt(mostBytes)) throw new Refused(Reason.TOO_LARGE, "", 0, { limit_bytes: String(mostBytes) });
  const bytes = Number(size);
  return { name, size: bytes, chunks: countOf(bytes), sha256, seal: new FileSeal(fileId as FileId, bytes, key) };
}
