/** Places as a peer names them, in the relay's log and in the chain of events. Every one of them is hostile input. */

import { Reason } from "./dispatch/api/error/v1/error_pb.js";
import { Refused } from "./errors.js";

/** No thread gets so long, no store holds more, and every language has a number for it. */
export const LARGEST = 2n ** 53n - 1n;

/** Checks a place in the relay's log. Throws PROTOCOL_VIOLATION beyond `LARGEST`. */
export function checked(seq: bigint): bigint {
  if (seq > LARGEST) throw new Refused(Reason.PROTOCOL_VIOLATION, "a row's place is out of bounds");
  return seq;
}

/** Reads the relay's oldest row out of RESUME_TOO_OLD; nonsense counts as the first. */
export function oldest(error: Refused): bigint {
  const written = error.metadata["oldest_seq"] ?? "";
  return /^[0-9]{1,15}$/.test(written) && BigInt(written) > 1n ? BigInt(written) : 1n;
}
