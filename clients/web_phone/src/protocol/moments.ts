/** Moments as a peer names them, ms since 1970, for people to be shown. Every one of them is hostile input, as places are. */

import { Reason } from "./dispatch/api/error/v1/error_pb.js";
import { Refused } from "./errors.js";

/** The end of the year 9999: every language has a date for it. */
export const LATEST_MS = 253_402_300_799_999n;

/** Checks a moment as a relay says it; 0 is none. Throws PROTOCOL_VIOLATION for one that never was and never will be. */
export function checkedMoment(ms: bigint): bigint {
  if (ms !== boundedMoment(ms)) throw new Refused(Reason.PROTOCOL_VIOLATION, "a moment is out of bounds");
  return ms;
}

/** Gives a moment as a host wrote it into its thread, which stands as it is signed: one that is out of bounds counts as the nearest that is not. */
export function boundedMoment(ms: bigint): bigint {
  if (ms < 0n) return 0n;
  return ms > LATEST_MS ? LATEST_MS : ms;
}
