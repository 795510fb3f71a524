/**
 * The Noise Protocol Framework, revision 34, over Curve25519: handshakes, and nothing of what they are used for.
 *
 * One object makes one handshake. It draws ephemeral keys from the `rng` it was given, checks lengths and order before any
 * cryptography, and changes only when a whole message was written or read: one that does not fit leaves it as it was. The static
 * key may live where nobody can read it, so writing and reading are asynchronous; one at a time. docs/encryption.md "Noise".
 */

import { chacha20poly1305 } from "@noble/ciphers/chacha.js";
import { hmac } from "@noble/hashes/hmac.js";
import { sha256 } from "@noble/hashes/sha2.js";

import { type Bytes, concat, EMPTY, utf8 } from "./bytes.js";
import type { Rng } from "./ids.js";
import type { DhKey } from "./keys.js";
import { dhKey } from "./memory_keys.js";

export const LONGEST_MESSAGE = 65_535;
export const DH_BYTES = 32;
const PSK_BYTES = 32;
const TAG_BYTES = 16;
const NAME = /^Noise_([A-Z]+)((?:psk\d(?:\+psk\d)*)?)_25519_ChaChaPoly_SHA256$/;

// Which static keys are known beforehand (initiator's, responder's), then the messages, initiator first.
const PATTERNS: Readonly<Record<string, readonly [string, string, ...string[]]>> = {
  N: ["", "s", "e es"],
  K: ["s", "s", "e es ss"],
  X: ["", "s", "e es s ss"],
  NN: ["", "", "e", "e ee"],
  NK: ["", "s", "e es", "e ee"],
  NX: ["", "", "e", "e ee s es"],
  XN: ["", "", "e", "e ee", "s se"],
  XK: ["", "s", "e es", "e ee", "s se"],
  XX: ["", "", "e", "e ee s es", "s se"],
  KN: ["s", "", "e", "e ee se"],
  KK: ["s", "s", "e es ss", "e ee se"],
  KX: ["s", "", "e", "e ee se s es"],
  IN: ["", "", "e s", "e ee se"],
  IK: ["", "s", "e es s ss", "e ee se"],
  IX: ["", "", "e s", "e ee se s es"],
};

/** A message does not fit the handshake, or the handshake was used out of order. Says nothing of any key. */
export class NoiseError extends Error {}

/** What a finished handshake gives: its hash, and two keys, the initiator's first. */
export interface Split {
  h: Bytes;
  k1: Bytes;
  k2: Bytes;
}

/** What a handshake begins with; psks by use. */
export interface Beginning {
  initiator: boolean;
  rng: Rng;
  prologue: Bytes;
  s?: DhKey | undefined;
  rs?: Bytes | undefined;
  psks?: readonly Bytes[];
}

/** Everything a message changes: the symmetric state and the keys learnt. Copied before, put in place after. */
class State {
  k: Bytes | null = null;
  n = 0;
  e: DhKey | undefined;
  re: Bytes | undefined;

  constructor(
    public h: Bytes,
    public ck: Bytes,
    public s: DhKey | undefined,
    public rs: Bytes | undefined,
    public psks: readonly Bytes[], // those not used yet
  ) {}

  copy(): State {
    return Object.assign(new State(this.h, this.ck, this.s, this.rs, this.psks), this);
  }

  mixHash(data: Bytes): void {
    this.h = sha256(concat(this.h, data));
  }

  mixKey(ikm: Bytes): void {
    const [ck, k] = hkdf(this.ck, ikm);
    [this.ck, this.k, this.n] = [ck, k, 0];
  }

  mixPsk(): void {
    const [psk, ...rest] = this.psks;
    if (psk === undefined) throw new NoiseError("the handshake lacks a pre-shared key");
    const [ck, toHash, k] = hkdf(this.ck, psk);
    this.mixHash(toHash);
    [this.ck, this.k, this.n, this.psks] = [ck, k, 0, rest];
  }

  seal(text: Bytes): Bytes {
    const data = this.k === null ? text : chacha20poly1305(this.k, this.nonce(), this.h).encrypt(text);
    this.mixHash(data);
    return data;
  }

  open(data: Bytes): Bytes {
    let text = data;
    if (this.k !== null) {
      try {
        text = chacha20poly1305(this.k, this.nonce(), this.h).decrypt(data);
      } catch {
        throw new NoiseError("the message does not open");
      }
    }
    this.mixHash(data);
    return text;
  }

  async dh(token: string, initiator: boolean): Promise<void> {
    const [own, theirs] = initiator ? [token[0], token[1]] : [token[1], token[0]];
    const key = own === "e" ? this.e : this.s;
    const peer = theirs === "e" ? this.re : this.rs;
    if (key === undefined || peer === undefined) throw new NoiseError("the handshake lacks a key");
    let secret: Bytes;
    try {
      secret = await key.agree(peer);
    } catch {
      throw new NoiseError("the peer's key is unusable"); // a point of small order: the secret would be all zeros
    }
    this.mixKey(secret);
  }

  private nonce(): Bytes {
    const nonce = new Uint8Array(12);
    new DataView(nonce.buffer).setBigUint64(4, BigInt(this.n++), true);
    return nonce;
  }
}

/** One side of one handshake: `write` and `read` in turn, `split` when it is `done`. */
export class Handshake {
  private readonly messages: readonly string[][];
  private readonly initiator: boolean;
  private readonly rng: Rng;
  private readonly pskMode: boolean;
  private state: State;
  private at = 0;
  private busy = false;

  /** Begins. `protocol` is the full name, "Noise_XKpsk3_25519_ChaChaPoly_SHA256". */
  constructor(protocol: string, beginning: Beginning) {
    const { initiator, rng, prologue, s, rs, psks = [] } = beginning;
    const [, name = "", places = ""] = NAME.exec(protocol) ?? [];
    const pattern = PATTERNS[name];
    if (pattern === undefined) throw new NoiseError("the protocol is not one of those known here");
    const [beforeInitiator, beforeResponder, ...messages] = pattern;
    const tokens = messages.map((message) => message.split(" "));
    const psksAt = [...places.matchAll(/\d/g)].map(([digit]) => Number(digit));
    if (psks.length !== psksAt.length || psks.some((psk) => psk.length !== PSK_BYTES)) {
      throw new NoiseError("the pattern needs other pre-shared keys");
    }
    for (const place of psksAt) {
      const message = tokens[Math.max(place - 1, 0)];
      if (message === undefined) throw new NoiseError("the pattern needs other pre-shared keys");
      if (place === 0) message.unshift("psk");
      else message.push("psk");
    }
    [this.messages, this.initiator, this.rng, this.pskMode] = [tokens, initiator, rng, psksAt.length > 0];
    const written = utf8(protocol);
    const h = written.length <= 32 ? concat(written, new Uint8Array(32 - written.length)) : sha256(written);
    this.state = new State(h, h, s, rs, psks);
    this.state.mixHash(prologue);
    if (beforeInitiator !== "") this.state.mixHash(known(initiator ? s?.publicKey : rs));
    if (beforeResponder !== "") this.state.mixHash(known(initiator ? rs : s?.publicKey));
  }

  /** Whether all messages are through. */
  get done(): boolean {
    return this.at === this.messages.length;
  }

  /** The peer's static key, once known. */
  get remoteStatic(): Bytes | undefined {
    return this.state.rs;
  }

  /** Makes the next message. Rejects with NoiseError, and then nothing has changed. */
  async write(payload: Bytes = EMPTY): Promise<Bytes> {
    return this.turn(true, async (tokens, state) => {
      const parts: Bytes[] = [];
      for (const token of tokens) {
        if (token === "e") {
          state.e = dhKey(this.rng(DH_BYTES));
          parts.push(state.e.publicKey);
          this.mixEphemeral(state, state.e.publicKey);
        } else if (token === "s") {
          parts.push(state.seal(known(state.s?.publicKey)));
        } else {
          await this.mix(state, token);
        }
      }
      parts.push(state.seal(payload));
      const message = concat(...parts);
      if (message.length > LONGEST_MESSAGE) throw new NoiseError("the payload is too long");
      return message;
    });
  }

  /** Takes the next message, gives its payload. Rejects with NoiseError, and then the true message still fits. */
  async read(message: Bytes): Promise<Bytes> {
    return this.turn(false, async (tokens, state) => {
      if (message.length < this.least(tokens) || message.length > LONGEST_MESSAGE) {
        throw new NoiseError("the message's length does not fit");
      }
      let at = 0;
      for (const token of tokens) {
        if (token === "e") {
          state.re = message.slice(at, (at += DH_BYTES));
          this.mixEphemeral(state, state.re);
        } else if (token === "s") {
          state.rs = state.open(message.slice(at, (at += DH_BYTES + (state.k === null ? 0 : TAG_BYTES))));
        } else {
          await this.mix(state, token);
        }
      }
      return state.open(message.slice(at));
    });
  }

  /** Gives the result of a finished handshake. Throws NoiseError before its end. */
  split(): Split {
    if (!this.done) throw new NoiseError("the handshake is not over");
    const [k1, k2] = hkdf(this.state.ck, EMPTY);
    return { h: this.state.h, k1, k2 };
  }

  private async turn(mine: boolean, work: (tokens: string[], state: State) => Promise<Bytes>): Promise<Bytes> {
    const tokens = this.messages[this.at];
    if (tokens === undefined || this.busy || (this.initiator === (this.at % 2 === 0)) !== mine) {
      throw new NoiseError("it is not this side's turn");
    }
    const state = this.state.copy();
    this.busy = true;
    try {
      const result = await work(tokens, state);
      [this.state, this.at] = [state, this.at + 1];
      return result;
    } finally {
      this.busy = false;
    }
  }

  private mixEphemeral(state: State, publicKey: Bytes): void {
    state.mixHash(publicKey);
    if (this.pskMode) state.mixKey(publicKey); // else two messages under one psk would share a key
  }

  private async mix(state: State, token: string): Promise<void> {
    if (token === "psk") state.mixPsk();
    else await state.dh(token, this.initiator);
  }

  private least(tokens: readonly string[]): number {
    let keyed = this.state.k !== null;
    let least = 0;
    for (const token of tokens) {
      if (token === "e" || token === "s") least += DH_BYTES + (keyed && token === "s" ? TAG_BYTES : 0);
      keyed ||= token !== "s" && (token !== "e" || this.pskMode);
    }
    return least + (keyed ? TAG_BYTES : 0);
  }
}

function known(key: Bytes | undefined): Bytes {
  if (key?.length !== DH_BYTES) throw new NoiseError("the handshake lacks a key");
  return key;
}

function hkdf(ck: Bytes, ikm: Bytes): [Bytes, Bytes, Bytes] {
  const temp = hmac(sha256, ck, ikm);
  const first = hmac(sha256, temp, Uint8Array.of(1));
  const second = hmac(sha256, temp, concat(first, Uint8Array.of(2)));
  return [first, second, hmac(sha256, temp, concat(second, Uint8Array.of(3)))];
}
