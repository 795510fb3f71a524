/**
 * How long the device slept without its clock: how far the clock for people has run ahead of the one that never goes back.
 *
 * `performance.now()` stands still during sleep in most browsers, and the host's clock does not: what was agreed on before would be
 * refused as too late, all of it. A nap only ever makes a phone shake hands anew and give up sooner, so a clock that somebody set ahead
 * does no harm. docs/web-protocol.md "What a driver has to bring".
 */

import type { Times } from "./ledger.js";

/** Less than this is no nap but the two clocks' own pace, ms. */
export const NAP_MS = 2_000;

/** Compares the two clocks. */
export class Naps {
  private leastAheadMs: number | null = null;

  /** Gives for how long the device slept since the last time that this gave something, ms; 0 for not at all. */
  since({ nowMs, wallMs }: Times): number {
    const aheadMs = wallMs - nowMs;
    const sleptMs = aheadMs - (this.leastAheadMs ?? aheadMs);
    // A clock that was set back starts anew from there; naps too short to count add up.
    if (this.leastAheadMs === null || sleptMs < 0 || sleptMs > NAP_MS) this.leastAheadMs = aheadMs;
    return sleptMs > NAP_MS ? sleptMs : 0;
  }
}
