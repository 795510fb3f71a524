/**
 * When a phone shakes hands with its host. Told what happens, it says when the next handshake is due.
 *
 * One for each connection, when the host is another process than before, when the host says that it can't open what we send, after a
 * day, and never while the host is away. docs/encryption.md "Session".
 */

import type { Bytes } from "../bytes.js";
import { hex } from "../bytes.js";
import { HANDSHAKE_LIMIT_MS } from "../sealed/session.js";

export const BEGIN_WITHIN_MS = 10_000;
export const FIRST_WAIT_MS = 1_000;
export const LONGEST_WAIT_MS = 30_000;

/** What decides about the next handshake. */
export class Tending {
  private reachable = false;
  private instance = ""; // the host's process, as the relay names it
  private sessionWith: string | null = null; // the process that the session is with
  private openSinceMs: number | null = null; // when the handshake was started that has no answer yet
  private confirmedMs: number | null = null; // when Confirm was sent to which no Begin has come yet
  private tries = 0; // handshakes since the last Begin
  private notBeforeMs = 0;

  /** Whether the host has confirmed the session. */
  get confirmed(): boolean {
    return this.sessionWith !== null && this.confirmedMs === null;
  }

  /** Hears how the host is, from the relay. */
  hostIs(reachable: boolean, instance: Bytes): void {
    [this.reachable, this.instance] = [reachable, hex(instance)];
    if (!reachable) this.openSinceMs = null;
  }

  /** Hears that the stream is gone: the next one begins with a handshake. */
  streamLost(): void {
    this.reachable = false;
    this.sessionWith = this.openSinceMs = this.confirmedMs = null;
  }

  /** Hears that the clock stood still: what was agreed on by it holds no more, nor does a handshake that is open. */
  slept(): void {
    this.sessionWith = this.openSinceMs = this.confirmedMs = null;
  }

  /** Hears that message 1 was sent, or could not be made. */
  started(nowMs: number): void {
    this.openSinceMs = nowMs;
    this.notBeforeMs = nowMs + Math.min(FIRST_WAIT_MS * 2 ** this.tries, LONGEST_WAIT_MS);
    this.tries = Math.min(this.tries + 1, 16);
  }

  /** Hears that message 2 fitted and Confirm was sent. */
  finished(nowMs: number): void {
    this.openSinceMs = null;
    [this.sessionWith, this.confirmedMs] = [this.instance, nowMs];
  }

  /** Hears that the host has confirmed the epoch: Begin, or any row of it, was opened. */
  begun(): void {
    this.confirmedMs = null;
    this.tries = this.notBeforeMs = 0;
  }

  /** Hears that the host can't open what was sent (STALE_EPOCH, SESSION_NEEDED), or finds it late though it was not (DEADLINE_PASSED). */
  refused(): void {
    this.sessionWith = null;
  }

  /**
   * Tells in how many ms a handshake is due: 0 is now, null is not by the passing of time alone. `renewalInMs` says in how many the
   * session is old enough for another; null while it is to stay, whatever its age.
   */
  dueIn(nowMs: number, renewalInMs: number | null): number | null {
    if (!this.reachable) return null;
    if (this.openSinceMs !== null) {
      const leftMs = this.openSinceMs + HANDSHAKE_LIMIT_MS - nowMs;
      if (leftMs > 0) return leftMs;
      this.openSinceMs = null;
    }
    if (this.sessionWith === this.instance) {
      const waits = [renewalInMs, this.confirmedMs === null ? null : this.confirmedMs + BEGIN_WITHIN_MS - nowMs].filter((ms) => ms !== null);
      if (waits.length === 0) return null;
      const firstMs = Math.min(...waits);
      if (firstMs > 0) return firstMs;
    }
    return Math.max(0, this.notBeforeMs - nowMs);
  }
}
