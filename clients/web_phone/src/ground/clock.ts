/** The page's clock. `performance.now()` may stand still while the device sleeps: then deadlines come early, which is the safe side (`naps`). */

import type { Rng } from "../protocol/ids.js";
import type { Clock } from "../protocol/thread/carrier.js";

export const clock: Clock = {
  nowMs: () => performance.now(),
  wallMs: () => Date.now(),
  after: (ms, call) => {
    const timer = setTimeout(call, ms);
    return () => { clearTimeout(timer); };
  },
};

/** Unpredictable bytes. */
export const rng: Rng = (length) => crypto.getRandomValues(new Uint8Array(length));

/** A number from 0 to 1, for spreading and nothing else. */
export const chance = (): number => Math.random();
