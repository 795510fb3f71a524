/**
 * The phone's end of a session, as a machine without time, randomness or a store of its own.
 *
 * What must survive comes back as values for the caller to commit (the rule is: commit, then send); what must not survive stays in
 * here: up chains, down live, the open handshake, the epoch clock. A new page can therefore neither send nor take a command before
 * a handshake. docs/encryption.md "Session".
 */

import type { Bytes } from "../bytes.js";
import type { Rng } from "../ids.js";
import * as chain from "./chain.js";
import { SealError, type Why } from "./errors.js";
import { type Epoch, PhoneHandshake } from "./handshake.js";
import type { Head } from "./head.js";
import type { PairKeys } from "./pair_keys.js";

/** A handshake that takes longer is dropped, on either side. */
export const HANDSHAKE_LIMIT_MS = 5_000;
/** How long a connected phone stays in one epoch. */
export const RENEW_AFTER_MS = 24 * 60 * 60 * 1_000;

/** Something was to be sealed or reckoned in a session that there is not. Ask `ready` first. */
export class NoSession extends Error {}

/** The handshake is through. Commit the keep chains, then send Confirm. */
export interface Begun {
  epoch: Bytes;
  version: number;
  /** The new epoch's, to be added by `keep.prune`. */
  keepChain: chain.Chain;
  /** Where the host seals until it has the Confirm; null if nowhere yet. */
  hostEpoch: Bytes | null;
}

/** The phone's end: shakes hands, seals commands and live frames, opens live ones. Keep rows are `keep.openKeep`'s. */
export class PhoneSession {
  private opened: PhoneHandshake | null = null;
  private current: Epoch | null = null;

  constructor(
    private readonly keys: PairKeys,
    private readonly rng: Rng,
  ) {}

  /** Whether commands can be sealed. */
  get ready(): boolean {
    return this.current !== null;
  }

  /** The session's epoch. */
  get epoch(): Bytes | null {
    return this.current?.epoch ?? null;
  }

  /** Makes message 1, to be sent live. An earlier handshake that is still open is given up; the session goes on meanwhile. */
  async start(grant: Bytes, head: Head, nowMs: number): Promise<Bytes> {
    this.opened = null;
    const begun = await PhoneHandshake.begin(this.keys, { grant, head, nowMs, rng: this.rng });
    this.opened = begun;
    return begun.message1;
  }

  /** Takes message 2 and is in the new epoch; null if it does not fit the open handshake, which then stays open. */
  async finish(message2: Bytes, nowMs: number): Promise<Begun | null> {
    const opened = this.opened;
    if (opened === null || nowMs - opened.startedMs > HANDSHAKE_LIMIT_MS) {
      this.opened = null;
      return null;
    }
    const done = await opened.finish(message2, nowMs).catch((problem: unknown) => {
      if (problem instanceof SealError) return null;
      throw problem;
    });
    if (done === null || this.opened !== opened) return null; // or another one has begun, or everything was dropped, meanwhile
    [this.opened, this.current] = [null, done.epoch];
    const { epoch, version, downKeep } = done.epoch;
    return { epoch, version, keepChain: downKeep, hostEpoch: done.hostEpoch };
  }

  /** Seals a command. Throws NoSession, or RangeError for a body that is too long. */
  sealCommand(body: Bytes): Bytes {
    const current = this.session();
    const sealed = chain.seal(current.upCommand, body, this.rng);
    this.current = { ...current, upCommand: sealed.chain };
    return sealed.sealed;
  }

  /** Seals a live frame; the first of an epoch, empty or not, is its Confirm. Throws NoSession, or RangeError. */
  sealLive(body: Bytes): Bytes {
    const current = this.session();
    const sealed = chain.seal(current.upLive, body, this.rng);
    this.current = { ...current, upLive: sealed.chain };
    return sealed.sealed;
  }

  /** Opens a live frame of the host; one that does not open is dropped, and the word says why. */
  openLive(sealed: Bytes): Bytes | Why {
    if (this.current === null) return "UNKNOWN_EPOCH";
    try {
      const opened = chain.open(this.current.downLive, sealed);
      this.current = { ...this.current, downLive: opened.chain };
      return opened.body;
    } catch (problem) {
      if (problem instanceof SealError) return problem.why;
      throw problem;
    }
  }

  /** Tells the epoch clock, ms, reckoned from when message 2 was *received*: never ahead of the host's. Throws NoSession. */
  epochMs(nowMs: number): number {
    return nowMs - this.session().startedMs;
  }

  /** Tells what to write into a command as its deadline. Throws NoSession. */
  deadlineMs(nowMs: number, validForMs: number): number {
    return this.epochMs(nowMs) + validForMs;
  }

  /** Tells in how many ms the session is old enough for a new handshake, while connected: 0 is now, null without a session. */
  renewalInMs(nowMs: number): number | null {
    if (this.current === null) return null;
    return Math.max(0, this.current.startedMs + RENEW_AFTER_MS - nowMs);
  }

  /** Is in no session any more: another is due. A handshake that is open goes on. */
  end(): void {
    this.current = null;
  }

  /** Forgets everything: the stream was superseded, or what `finish` gave could not be committed. */
  drop(): void {
    this.opened = this.current = null;
  }

  private session(): Epoch {
    if (this.current === null) throw new NoSession("there is no session");
    return this.current;
  }
}
