/** What both devices sign at the end of a pairing: which phone and which host are a pair, at which service. docs/encryption.md "Attestation". */

import type { Bytes } from "./bytes.js";
import { enc } from "./encoding.js";

/** Writes A, the bytes that both devices sign. */
export function attestation(of: { pairId: Bytes; service: string; hostKey: Bytes; phoneKey: Bytes }): Bytes {
  return enc("dispatch/attest/1", of.pairId, of.service, of.hostKey, of.phoneKey);
}
