/**
 * Brings a file to the host or from it, transfer after transfer, from the last whole chunk, until it is through.
 *
 * A host that is away, or that says no, ends it at once; what breaks on the way is tried again as long as it gets on. docs/files.md.
 */

import { Reason } from "../protocol/dispatch/api/error/v1/error_pb.js";
import type { Attachment, UpLiveItem } from "../protocol/dispatch/api/thread/v1/thread_pb.js";
import { Refused } from "../protocol/errors.js";
import { type Described, described } from "../protocol/files/described.js";
import { Giving } from "../protocol/files/giving.js";
import { Taking } from "../protocol/files/taking.js";
import { ID_BYTES, type Rng, type TransferId } from "../protocol/ids.js";
import type { Backoff } from "../protocol/thread/backoff.js";
import type { Clock } from "../protocol/thread/carrier.js";
import type { Carrying } from "./carrying.js";
import { chunkOf, Parts } from "./parts.js";

/** What never began is given up after so long, ms; what began, after so long without getting on. */
export const BEGIN_MS = 10_000;
export const STUCK_MS = 60_000;
const AGAIN: readonly Reason[] = [
  Reason.NO_NETWORK, Reason.NO_RELAY, Reason.PEER_ABSENT, Reason.LEASE_LOST, Reason.DRAINING, Reason.TRUST_STALE, Reason.RATE_LIMITED,
  Reason.GRANT_EXPIRED, Reason.GRANT_INVALID, Reason.PROOF_INVALID, Reason.INTERNAL, Reason.SESSION_NEEDED,
];
const RENEW: readonly Reason[] = [Reason.GRANT_EXPIRED, Reason.GRANT_INVALID, Reason.PROOF_INVALID];

export type Wish = NonNullable<Pick<UpLiveItem, "item">["item"]>;

/** What a mover needs of a line. */
export interface Way {
  clock: Clock;
  rng: Rng;
  backoff(): Backoff;
  /** Tells the host, and joins with it. Rejects with Refused: also with what the host refuses it with, and its absence. */
  join(transferId: TransferId, ask: "offer" | "want", file: Attachment, freshRight: boolean, stop: AbortSignal): Promise<Carrying>;
}

/** How far it is. */
export type Told = (done: number, total: number) => void;

/** Fetches an artifact. Rejects with Refused; `stop` ends it as NO_NETWORK. */
export async function fetched(way: Way, file: Attachment, told: Told, stop: AbortSignal): Promise<Blob> {
  const what = described(file);
  const parts = new Parts();
  await through(way, "want", file, stop, async (carrying, transferId, onward) => {
    const taking = new Taking(what, transferId, parts.kept, way.rng);
    const first = taking.begin();
    if (first !== null) await carrying.say(first);
    while (!taking.whole) {
      parts.add(taking.hear(await carrying.hear()).content);
      onward();
      told(Math.min(what.size, parts.kept * 65_536), what.size);
    }
    await carrying.say(taking.have(parts.sha256())); // throws FILE_CHANGED: nothing of it is given then
    await carrying.bye();
  });
  return parts.whole();
}

/** Brings a file to the host, which has it whole when this resolves. Rejects with Refused. */
export async function given(way: Way, file: Attachment, content: Blob, told: Told, stop: AbortSignal): Promise<void> {
  const what: Described = described(file);
  let furthest = -1; // chunk that ever went: one that goes again shows only that a buffer has room
  await through(way, "offer", file, stop, async (carrying, transferId, onward) => {
    const giving = new Giving(what, transferId, way.rng);
    const first = giving.hear(await carrying.hear());
    if (first === null) return;
    for (let index = first; index < what.chunks; index++) {
      await carrying.say(giving.chunk(index, await chunkOf(content, index)));
      if (index > furthest) {
        furthest = index;
        onward();
      }
      told(Math.min(what.size, (index + 1) * 65_536), what.size);
    }
    giving.hear(await carrying.hear()); // that it has it
  });
}

type Attempt = (carrying: Carrying, transferId: TransferId, onward: () => void) => Promise<void>;

async function through(way: Way, ask: "offer" | "want", file: Attachment, stop: AbortSignal, attempt: Attempt): Promise<void> {
  const backoff = way.backoff();
  let [sinceMs, patienceMs, renew] = [way.clock.nowMs(), BEGIN_MS, false];
  const onward = (): void => { [sinceMs, patienceMs] = [way.clock.nowMs(), STUCK_MS]; };
  for (;;) {
    const transferId = way.rng(ID_BYTES) as TransferId;
    let carrying: Carrying | null = null;
    try {
      carrying = await way.join(transferId, ask, file, renew, stop);
      await attempt(carrying, transferId, onward);
      return;
    } catch (problem) {
      if (!(problem instanceof Refused) || stop.aborted || !AGAIN.includes(problem.reason)) throw problem;
      const waitedMs = way.clock.nowMs() - sinceMs;
      if (waitedMs >= patienceMs) throw problem.reason === Reason.NO_NETWORK ? problem : new Refused(Reason.TRANSFER_FAILED, problem.detail);
      renew = RENEW.includes(problem.reason);
      const waitMs = Math.min(backoff.nextMs(way.clock.nowMs(), problem.retryAfterMs), Math.max(1, patienceMs - waitedMs));
      if (await stopped(way.clock, waitMs, stop)) throw problem;
    } finally {
      carrying?.close();
    }
  }
}

/** Waits, unless it is stopped; gives whether it was. */
async function stopped(clock: Clock, ms: number, stop: AbortSignal): Promise<boolean> {
  return new Promise((resolve) => {
    const takeBack = clock.after(ms, () => {
      stop.removeEventListener("abort", ended);
      resolve(false);
    });
    const ended = (): void => {
      takeBack();
      resolve(true);
    };
    stop.addEventListener("abort", ended, { once: true });
  });
}
