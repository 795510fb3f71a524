/**
 * The handshake that begins a session, the phone's side: Noise KKpsk0 with ML-KEM-768 in its payloads, and the chains that come of it.
 *
 *     message 1 = 0x81 | pair_id (16) | count (1) | versions (count) | Noise message 1
 *     message 2 = 0x82 | Noise message 2
 *
 * The first byte tells both from a sealed frame, which begins with its version. docs/encryption.md "Session".
 */

import { type Bytes, concat } from "../bytes.js";
import { enc } from "../encoding.js";
import type { PairId, Rng } from "../ids.js";
import { Handshake, NoiseError } from "../noise.js";
import type { Chain } from "./chain.js";
import { SealError } from "./errors.js";
import { Direction, EPOCH_BYTES, FrameClass, VERSION } from "./frame.js";
import { type Head, headBytes } from "./head.js";
import { agree, derive } from "./kdf.js";
import * as kem from "./kem.js";
import type { PairKeys } from "./pair_keys.js";

export const NOISE = "Noise_KKpsk0_25519_ChaChaPoly_SHA256";
export const MESSAGE_1 = 0x81;
export const MESSAGE_2 = 0x82;
export const LONGEST_GRANT = 4096;
const PAYLOAD_2_BYTES = kem.CIPHERTEXT_BYTES + 1 + EPOCH_BYTES;

/** The keys of one session. Lives in memory only, except that the keep chain is taken out of it to be committed. */
export interface Epoch {
  readonly epoch: Bytes;
  readonly version: number;
  /** When message 2 was received, ms on the clock that `now` comes from. */
  readonly startedMs: number;
  readonly upCommand: Chain;
  readonly upLive: Chain;
  readonly downKeep: Chain;
  readonly downLive: Chain;
}

/** What message 1 says of the phone. */
export interface Greeting {
  grant: Bytes;
  head: Head;
  nowMs: number;
  rng: Rng;
  versions?: readonly number[];
}

/** The phone's side: one object, one handshake. `message1` goes out; `finish` takes what comes back. */
export class PhoneHandshake {
  private constructor(
    readonly startedMs: number,
    private readonly pairId: PairId,
    private readonly versions: readonly number[],
    private readonly kemKey: kem.DecapsulationKey,
    private readonly noise: Handshake,
    readonly message1: Bytes,
  ) {}

  /** Writes message 1. Draws the KEM's seed (64 bytes), then the ephemeral key (32 bytes). Rejects with RangeError for a long grant. */
  static async begin(keys: PairKeys, { grant, head, nowMs, rng, versions = [VERSION] }: Greeting): Promise<PhoneHandshake> {
    if (grant.length > LONGEST_GRANT) throw new RangeError("the grant is too long");
    const header = concat(keys.pairId, Uint8Array.of(versions.length, ...versions));
    const kemKey = kem.generate(rng(kem.SEED_BYTES));
    const noise = new Handshake(NOISE, {
      initiator: true,
      prologue: prologue(header, keys.peerEd25519, keys.ownEd25519),
      s: keys.ownX25519,
      rs: keys.peerX25519,
      psks: [keys.pairPsk],
      rng,
    });
    const written = await noise.write(concat(kemKey.publicKey, enc(grant), headBytes(head)));
    const message1 = concat(Uint8Array.of(MESSAGE_1), header, written);
    return new PhoneHandshake(nowMs, keys.pairId, versions, kemKey, noise, message1);
  }

  /** Reads message 2: the new epoch, and the epoch in which the host seals now. Rejects with SealError, and the true one still fits. */
  async finish(message2: Bytes, nowMs: number): Promise<{ epoch: Epoch; hostEpoch: Bytes | null }> {
    if (message2[0] !== MESSAGE_2) throw new SealError("MALFORMED");
    const payload = await this.noise.read(message2.slice(1)).catch((problem: unknown) => {
      throw problem instanceof NoiseError ? new SealError("BAD_TAG") : problem;
    });
    const version = payload[kem.CIPHERTEXT_BYTES];
    if (payload.length !== PAYLOAD_2_BYTES || version === undefined) throw new SealError("MALFORMED");
    if (!this.versions.includes(version)) throw new SealError("VERSION");
    const secret = kem.decapsulate(this.kemKey, payload.slice(0, kem.CIPHERTEXT_BYTES));
    const hostEpoch = payload.slice(-EPOCH_BYTES);
    const epoch = epochOf(this.pairId, agree(this.noise.split(), secret), version, nowMs);
    return { epoch, hostEpoch: hostEpoch.some((byte) => byte !== 0) ? hostEpoch : null };
  }
}

/** Tells whether a message of class live belongs to a handshake rather than being a sealed frame. */
export function isHandshake(live: Bytes): boolean {
  return live[0] === MESSAGE_1 || live[0] === MESSAGE_2;
}

/** Writes what both sides bind into the handshake before its first message; `header` is what stands in the clear in message 1. */
export function prologue(header: Bytes, hostKey: Bytes, phoneKey: Bytes): Bytes {
  return enc("dispatch/session/1", header, hostKey, phoneKey);
}

/** Derives the chains of a session from the prk of its handshake. */
export function epochOf(pairId: PairId, prk: Bytes, version: number, nowMs: number): Epoch {
  const epoch = derive(prk, "epoch", EPOCH_BYTES);
  const chain = (label: string, direction: Direction, frameClass: FrameClass): Chain => ({
    pairId, epoch, direction, frameClass, n: 0n, key: derive(prk, label, 32),
  });
  return {
    epoch,
    version,
    startedMs: nowMs,
    upCommand: chain("up command", Direction.UP, FrameClass.COMMAND),
    upLive: chain("up live", Direction.UP, FrameClass.LIVE),
    downKeep: chain("down keep", Direction.DOWN, FrameClass.KEEP),
    downLive: chain("down live", Direction.DOWN, FrameClass.LIVE),
  };
}
