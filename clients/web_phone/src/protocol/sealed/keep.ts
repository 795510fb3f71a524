/**
 * The phone's keep chains: which ones it holds on to, and how a row of the log finds its own.
 *
 * Rows may have been sealed in an older epoch than the session's, so a phone keeps a few chains, oldest first. Values in, values
 * out: the caller commits what comes back. docs/encryption.md "Keep chains".
 */

import { type Bytes, equal } from "../bytes.js";
import { type Chain, open } from "./chain.js";
import { SealError } from "./errors.js";
import { parse } from "./frame.js";

const KEPT_BESIDE_THE_NEW = 3;

/** Oldest first, as the phone's handshakes made them. */
export type Chains = readonly Chain[];

/**
 * Makes room for the new epoch's chain.
 *
 * `hostEpoch` is what message 2 named: the epoch in which the host seals now. Chains started after that one were never confirmed
 * and go; of the rest the newest three stay. If the phone does not know it (one of the two was restored, or there is none),
 * nothing tells which of them were confirmed, and the newest three stay.
 */
export function prune(chains: Chains, hostEpoch: Bytes | null, fresh: Chain): Chains {
  const named = hostEpoch === null ? -1 : chains.map((chain) => equal(chain.epoch, hostEpoch)).lastIndexOf(true);
  const rest = named < 0 ? chains : chains.slice(0, named + 1);
  return [...rest.slice(-KEPT_BESIDE_THE_NEW), fresh];
}

/** Opens a row. That it opens shows that the host seals in this epoch by now, so older chains go. Throws SealError. */
export function openKeep(sealed: Bytes, chains: Chains): { body: Bytes; chains: Chains } {
  const { epoch } = parse(sealed);
  const at = chains.findIndex((chain) => equal(chain.epoch, epoch));
  const chain = chains[at];
  if (chain === undefined) throw new SealError("UNKNOWN_EPOCH");
  const opened = open(chain, sealed);
  return { body: opened.body, chains: [opened.chain, ...chains.slice(at + 1)] };
}
