/**
 * A chain of keys: each frame has its own, and turning the chain forgets the one before.
 *
 * Chains are values. `seal` and `open` give the next one beside their result, so that a caller commits it together with what it
 * sealed or opened, and keeps the old one when that fails. docs/encryption.md "Chains".
 */

import { type Bytes, concat, equal, readU64, u64 } from "../bytes.js";
import { ID_BYTES, id, type PairId, type Rng } from "../ids.js";
import { openBox, sealBox } from "./box.js";
import { SealError } from "./errors.js";
import { aad, type Direction, EPOCH_BYTES, type FrameClass, header, pad, parse, unpad } from "./frame.js";
import { mac } from "./kdf.js";

/** So far a chain is turned for one frame, before its tag is checked: 64 ms of work for whoever names a place. */
export const FURTHEST_AHEAD = 16_384;
const MESSAGE_KEY = Uint8Array.of(1);
const NEXT_KEY = Uint8Array.of(2);
const LAYOUT_VERSION = 1;
const STORED_BYTES = 1 + ID_BYTES + EPOCH_BYTES + 2 + 8 + 32;

/** Where a chain stands: `key` seals or opens place `n`, the next one. */
export interface Chain {
  readonly pairId: PairId;
  readonly epoch: Bytes;
  readonly direction: Direction;
  readonly frameClass: FrameClass;
  readonly n: bigint;
  readonly key: Bytes;
}

/** Seals a body at the chain's place: the frame to send, and the chain to commit before. Throws RangeError for a body that is too long. */
export function seal(chain: Chain, body: Bytes, rng: Rng): { sealed: Bytes; chain: Chain } {
  const head = header(chain.epoch, chain.n);
  const box = sealBox(mac(chain.key, MESSAGE_KEY), bound(chain, head), pad(body), rng);
  return { sealed: concat(head, box), chain: { ...chain, n: chain.n + 1n, key: mac(chain.key, NEXT_KEY) } };
}

/** Opens a frame at or behind the chain's place; keys that were skipped are gone. Throws SealError, and the chain still holds. */
export function open(chain: Chain, sealed: Bytes): { body: Bytes; chain: Chain } {
  const frame = parse(sealed);
  if (!equal(frame.epoch, chain.epoch)) throw new SealError("UNKNOWN_EPOCH");
  if (frame.n < chain.n) throw new SealError("TOO_OLD");
  if (frame.n - chain.n > FURTHEST_AHEAD) throw new SealError("TOO_FAR");
  let key = chain.key;
  for (let n = chain.n; n < frame.n; n++) key = mac(key, NEXT_KEY);
  const text = openBox(mac(key, MESSAGE_KEY), bound(chain, header(frame.epoch, frame.n)), frame.box);
  return { body: unpad(text), chain: { ...chain, n: frame.n + 1n, key: mac(key, NEXT_KEY) } };
}

/** Writes the chain for a store. Secret. */
export function chainBytes(chain: Chain): Bytes {
  const kind = Uint8Array.of(chain.direction, chain.frameClass);
  return concat(Uint8Array.of(LAYOUT_VERSION), chain.pairId, chain.epoch, kind, u64(chain.n), chain.key);
}

/** Reads what `chainBytes` wrote. Throws RangeError. */
export function readChain(data: Bytes): Chain {
  const [direction, frameClass] = [data[25] ?? 2, data[26] ?? 3];
  if (data.length !== STORED_BYTES || data[0] !== LAYOUT_VERSION || direction > 1 || frameClass > 2) {
    throw new RangeError("this is not a chain");
  }
  return {
    pairId: id<PairId>(data.slice(1, 17)),
    epoch: data.slice(17, 25),
    direction: direction as Direction,
    frameClass: frameClass as FrameClass,
    n: readU64(data, 27),
    key: data.slice(35),
  };
}

function bound(chain: Chain, head: Bytes): Bytes {
  return aad(chain.pairId, chain.direction, chain.frameClass, head);
}
