/** When to try again. Randomness and time are arguments. docs/protocol.md "Coming back". */

/** The first wait, ms, is drawn from here, so that a restarted relay does not meet all its devices at once. */
export const FIRST_MS = [100, 500] as const;
export const EARLY_MAX_MS = 5_000;
export const EARLY_MS = 60_000;
export const LATE_MS = 30_000;
/** No server's word keeps a device away for longer: it may be wrong, and there may be others. */
export const LONGEST_ADVISED_MS = 10 * 60_000;
export const JITTER = 0.2;

/** Waits of one device since its stream broke: doubling to 5 s in the first minute, then 30 s, with jitter. */
export class Backoff {
  private brokenAtMs: number | null = null;
  private lastMs = 0;

  /** `chance` gives numbers from 0 to 1. */
  constructor(private readonly chance: () => number) {}

  /** Forgets the past: the stream is open. */
  opened(): void {
    [this.brokenAtMs, this.lastMs] = [null, 0];
  }

  /** Gives the next wait, ms. `advisedMs` is the server's word, which is not undercut. */
  nextMs(nowMs: number, advisedMs = 0): number {
    this.brokenAtMs ??= nowMs;
    if (nowMs - this.brokenAtMs > EARLY_MS) this.lastMs = LATE_MS;
    else if (this.lastMs > 0) this.lastMs = Math.min(this.lastMs * 2, EARLY_MAX_MS);
    else this.lastMs = this.between(...FIRST_MS);
    const wait = this.lastMs * this.between(1 - JITTER, 1 + JITTER);
    return Math.max(Math.round(wait), Math.min(advisedMs, LONGEST_ADVISED_MS));
  }

  private between(least: number, most: number): number {
    return least + this.chance() * (most - least);
  }
}
