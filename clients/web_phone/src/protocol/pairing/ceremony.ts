/**
 * The phone's side of the pairing ceremony: eight steps, each once and in order, and a code that is compared on both devices.
 *
 * The phone sends 1, 3, 5 and 7, the host 2, 4, 6 and 8; the code is there after 6. Any failure ends a ceremony and drops its keys.
 * Timers, the person's answer and the transport are the driver's; **when `result` is set, the driver commits it before it sends what
 * the same call gave it.** docs/encryption.md "Pairing".
 */

import { sha256 } from "@noble/hashes/sha2.js";

import { attestation } from "../attestation.js";
import { type Bytes, concat, EMPTY, equal, readU64, text, utf8 } from "../bytes.js";
import { enc } from "../encoding.js";
import { id, type PairId, type Rng } from "../ids.js";
import type { DhKey, Signer } from "../keys.js";
import { deviceName, peerName } from "../names.js";
import { Handshake, NoiseError } from "../noise.js";
import { openBox, sealBox } from "../sealed/box.js";
import { SealError } from "../sealed/errors.js";
import { agree, derive } from "../sealed/kdf.js";
import * as kem from "../sealed/kem.js";
import type { PairKeys } from "../sealed/pair_keys.js";
import { KEY_BYTES, usable, verify } from "../signatures.js";
import { type Code, pairPsk } from "./link.js";

export const NOISE = "Noise_XKpsk3_25519_ChaChaPoly_SHA256";
export const LONGEST_STEP = 4096;
const AAD = utf8("dispatch/pair/1");
const COMMIT = utf8("dispatch/pair/1 commit");

/** Why a ceremony ended without a pair. */
export type Failure =
  /** A step came twice or out of its turn. */
  | "OUT_OF_ORDER"
  /** The handshake does not verify: somebody is in between, or the code is not the one shown. */
  | "HANDSHAKE"
  /** A step does not have the form that it must have. */
  | "MALFORMED"
  /** The other side's name breaks the rules. */
  | "NAME"
  /** The number that was opened is not the one that was committed to. */
  | "COMMITMENT"
  /** The other side's signature does not fit. */
  | "SIGNATURE"
  /** Somebody said no. */
  | "REFUSED";

/** The ceremony is over without a pair, and its keys are gone. */
export class CeremonyFailed extends Error {
  constructor(readonly why: Failure) {
    super(why);
  }
}

/** What a ceremony waits for: its beginning, a step, the person who compares, or nothing more. */
export type State = "BEGIN" | "STEP_2" | "STEP_4" | "STEP_6" | "COMPARE" | "STEP_8" | "PAIRED" | "FAILED";

type Handler = "meet" | "tellNumber" | "showCode" | "finish";

/** What takes a step in a state; any other step ends the ceremony. */
export const STEPS: Readonly<Partial<Record<State, Readonly<Record<number, Handler>>>>> = {
  STEP_2: { 2: "meet" },
  STEP_4: { 4: "tellNumber" },
  STEP_6: { 6: "showCode" },
  STEP_8: { 8: "finish" },
};

/** A step for the other side. */
export interface Outgoing {
  step: number;
  payload: Bytes;
}

/** What a ceremony gives. It is there with step 7, provisional until `hostSignature` is. */
export interface Paired {
  readonly keys: PairKeys;
  readonly peerName: string;
  readonly attestation: Bytes;
  readonly phoneSignature: Bytes;
  readonly hostSignature: Bytes | null;
}

/** What follows from the handshake; gone when the ceremony ends. */
interface Secrets {
  h: Bytes;
  prk: Bytes;
  p2h: Bytes;
  h2p: Bytes;
  pairKeys: PairKeys;
  attestation: Bytes;
}

/** What a phone begins with. `ownX25519` is made for this ceremony, `ownEd25519` is the device's. */
export interface PhoneBeginning {
  code: Code;
  ownX25519: DhKey;
  ownEd25519: Bytes;
  ownName: string;
  rng: Rng;
}

/** `begin`, then `receive` 2, 4 and 6, show `code`, `confirm`, `receive` 8. One call at a time. */
export class PhoneCeremony {
  private readonly own: PhoneBeginning;
  private readonly name: Bytes;
  private kemKey: kem.DecapsulationKey | null;
  private noise: Handshake | null;
  private secrets: Secrets | null = null;
  private commitment: Bytes = EMPTY;
  private nPhone: Bytes = EMPTY;
  private now: State = "BEGIN";
  private busy = false;
  private peer: { key: Bytes; name: string } | null = null;
  private shown: string | null = null;
  private paired: Paired | null = null;
  private failed: Failure | null = null;

  /** Begins. Draws the KEM's seed (64 bytes). Throws NameInvalid, and NoiseError when the code's key has a wrong length. */
  constructor(own: PhoneBeginning) {
    this.own = own;
    this.name = utf8(deviceName(own.ownName));
    this.kemKey = kem.generate(own.rng(kem.SEED_BYTES));
    this.noise = new Handshake(NOISE, {
      initiator: true,
      prologue: enc("dispatch/pair/1", own.code.offerId, own.code.service),
      s: own.ownX25519,
      rs: own.code.hostX25519,
      psks: [pairPsk(own.code)],
      rng: own.rng,
    });
  }

  /** What it waits for. */
  get state(): State {
    return this.now;
  }

  /** What both people compare, "381 236", once both numbers are open. */
  get code(): string | null {
    return this.shown;
  }

  /** What the host calls itself; show it only beside the code. */
  get peerName(): string | null {
    return this.peer?.name ?? null;
  }

  /** Commit this before sending on. */
  get result(): Paired | null {
    return this.paired;
  }

  /** Why it ended without a pair. */
  get failure(): Failure | null {
    return this.failed;
  }

  /** Makes step 1, once the service has accepted the claim. Rejects with CeremonyFailed when the code's key is unusable. */
  async begin(): Promise<Outgoing[]> {
    return this.alone(async () => {
      const { noise, kemKey } = this;
      if (this.now !== "BEGIN" || noise === null || kemKey === null) throw this.fail("OUT_OF_ORDER");
      const payload = await noise.write(kemKey.publicKey);
      return this.become("STEP_2", [{ step: 1, payload }]);
    });
  }

  /** Takes a step of the host and gives the answers. Rejects with CeremonyFailed, once and for all. */
  async receive(step: number, payload: Bytes): Promise<Outgoing[]> {
    return this.alone(async () => {
      const handler = STEPS[this.now]?.[step];
      if (handler === undefined) throw this.fail("OUT_OF_ORDER");
      if (payload.length > LONGEST_STEP) throw this.fail("MALFORMED");
      return this[handler](payload);
    });
  }

  /** The person says that the codes are the same. Sets the provisional `result`; gives step 7. */
  async confirm(sign: Signer): Promise<Outgoing[]> {
    return this.alone(async () => {
      const { secrets } = this;
      if (this.now !== "COMPARE" || secrets === null) throw this.fail("OUT_OF_ORDER");
      const signature = await sign(secrets.attestation);
      // The signer must hold the key that the host was told.
      if (!verify(this.own.ownEd25519, signature, secrets.attestation)) throw new RangeError("the signer does not have this device's key");
      const paired: Paired = {
        keys: secrets.pairKeys,
        peerName: this.peer?.name ?? "",
        attestation: secrets.attestation,
        phoneSignature: signature,
        hostSignature: null,
      };
      const outgoing = this.become("STEP_8", [this.box(secrets, 7, signature)]);
      this.paired = paired;
      return outgoing;
    });
  }

  /** Ends it: the person said no, the time is over, or the service ended the offer. A pair that stands stays. */
  refuse(): void {
    this.fail("REFUSED");
  }

  // ---- The handlers of STEPS.

  private async meet(message: Bytes): Promise<Outgoing[]> {
    const { noise, kemKey } = this;
    if (noise === null || kemKey === null) throw this.fail("OUT_OF_ORDER");
    const payload = await noise.read(message);
    if (payload.length < kem.CIPHERTEXT_BYTES + KEY_BYTES) throw this.fail("MALFORMED");
    this.peer = this.readIdentity(payload.slice(kem.CIPHERTEXT_BYTES));
    const secret = kem.decapsulate(kemKey, payload.slice(0, kem.CIPHERTEXT_BYTES));
    const step3 = await noise.write(concat(this.own.ownEd25519, this.name));
    const secrets = this.agree(noise, secret, this.peer.key);
    const outgoing = this.become("STEP_4", [{ step: 3, payload: step3 }]);
    [this.noise, this.kemKey, this.secrets] = [null, null, secrets];
    return outgoing;
  }

  private async tellNumber(payload: Bytes): Promise<Outgoing[]> {
    const secrets = this.known();
    this.commitment = this.unbox(secrets, 4, payload, 32);
    this.nPhone = this.own.rng(32);
    return Promise.resolve(this.become("STEP_6", [this.box(secrets, 5, this.nPhone)]));
  }

  private async showCode(payload: Bytes): Promise<Outgoing[]> {
    const secrets = this.known();
    const nHost = this.unbox(secrets, 6, payload, 32);
    if (!equal(sha256(concat(COMMIT, secrets.h, nHost)), this.commitment)) throw this.fail("COMMITMENT");
    const number = readU64(derive(secrets.prk, concat(utf8("sas"), nHost, this.nPhone), 8)) % 1_000_000n;
    const digits = number.toString().padStart(6, "0");
    this.shown = `${digits.slice(0, 3)} ${digits.slice(3)}`;
    return Promise.resolve(this.become("COMPARE", []));
  }

  private async finish(payload: Bytes): Promise<Outgoing[]> {
    const secrets = this.known();
    const signature = this.unbox(secrets, 8, payload, 64);
    if (this.paired === null || !verify(secrets.pairKeys.peerEd25519, signature, secrets.attestation)) throw this.fail("SIGNATURE");
    this.paired = { ...this.paired, hostSignature: signature };
    this.secrets = null;
    return Promise.resolve(this.become("PAIRED", []));
  }

  // ---- What they share.

  /** Lets one call work at a time, and turns what does not verify into the ceremony's end. */
  private async alone(work: () => Promise<Outgoing[]>): Promise<Outgoing[]> {
    if (this.busy) throw this.fail("OUT_OF_ORDER");
    this.busy = true;
    try {
      return await work();
    } catch (problem) {
      // The cause is not chained: it has nothing for people, and the ceremony is over either way.
      if (problem instanceof NoiseError || problem instanceof SealError) throw this.fail("HANDSHAKE");
      throw problem;
    } finally {
      this.busy = false;
    }
  }

  /** Goes on to a state, unless the ceremony was ended while a key was being used. */
  private become(state: State, outgoing: Outgoing[]): Outgoing[] {
    if (this.now === "FAILED") throw new CeremonyFailed(this.failed ?? "REFUSED");
    this.now = state;
    return outgoing;
  }

  /** Ends the ceremony, drops its keys, and gives the error to throw. The first reason stays, and so does a pair. */
  private fail(why: Failure): CeremonyFailed {
    if (this.now === "PAIRED") return new CeremonyFailed(why);
    this.failed ??= why;
    this.now = "FAILED";
    this.noise = this.kemKey = this.secrets = this.paired = this.shown = null;
    return new CeremonyFailed(this.failed);
  }

  private known(): Secrets {
    if (this.secrets === null) throw this.fail("OUT_OF_ORDER");
    return this.secrets;
  }

  /** Reads the host's Ed25519 key and name out of its handshake payload. */
  private readIdentity(identity: Bytes): { key: Bytes; name: string } {
    const key = identity.slice(0, KEY_BYTES);
    if (!usable(key) || equal(key, this.own.ownEd25519)) throw this.fail("MALFORMED");
    try {
      return { key, name: peerName(text(identity.slice(KEY_BYTES))) };
    } catch {
      throw this.fail("NAME");
    }
  }

  /** Derives everything from the finished handshake. */
  private agree(noise: Handshake, sharedSecret: Bytes, peerKey: Bytes): Secrets {
    const split = noise.split();
    const prk = agree(split, sharedSecret);
    const { code, ownX25519, ownEd25519 } = this.own;
    const pairKeys: PairKeys = {
      pairId: id<PairId>(derive(prk, "pair id", 16)),
      ownX25519,
      peerX25519: code.hostX25519,
      ownEd25519,
      peerEd25519: peerKey,
      pairPsk: derive(prk, "session psk", KEY_BYTES),
    };
    return {
      h: split.h,
      prk,
      p2h: derive(prk, "pair p2h", KEY_BYTES),
      h2p: derive(prk, "pair h2p", KEY_BYTES),
      pairKeys,
      attestation: attestation({ pairId: pairKeys.pairId, service: code.service, hostKey: peerKey, phoneKey: ownEd25519 }),
    };
  }

  private box(secrets: Secrets, step: number, content: Bytes): Outgoing {
    return { step, payload: sealBox(secrets.p2h, concat(AAD, Uint8Array.of(step)), content, this.own.rng) };
  }

  private unbox(secrets: Secrets, step: number, payload: Bytes, length: number): Bytes {
    const content = openBox(secrets.h2p, concat(AAD, Uint8Array.of(step)), payload);
    if (content.length !== length) throw this.fail("MALFORMED");
    return content;
  }
}
