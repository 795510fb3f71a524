/** Why something sealed was not opened: one error, one list. Nothing here, and no message, ever holds a key or a body. */

/** What did not fit; the words of tests/vectors. */
export type Why =
  /** Not the bytes of a sealed frame or handshake message at all: length, kind or padding. */
  | "MALFORMED"
  /** A version that this side does not speak. */
  | "VERSION"
  /** Sealed in an epoch that this side does not hold, or no longer. */
  | "UNKNOWN_EPOCH"
  /** Its place in the chain was used before: a replay, or a row that came twice. */
  | "TOO_OLD"
  /** Its place lies further ahead than a chain is turned for one frame. */
  | "TOO_FAR"
  /** Forged, damaged, or sealed under another key. */
  | "BAD_TAG";

/** A frame or a handshake message does not open. What was there before is unchanged. */
export class SealError extends Error {
  constructor(readonly why: Why) {
    super(why);
  }
}
