/**
 * Brings one command to the host: attempt after attempt, until there is a verdict or its time is over.
 *
 * A command lives for ten seconds from the moment the person sent it. Nothing is sent after that, whatever comes back later: a host
 * that was away finds nothing waiting for it. Told how things stand, it says what to do. docs/phone.md "Sending".
 */

import type { Command } from "./commands.js";
import type { Post } from "./store.js";

/** How long a command lives, ms, from the moment when the person sent it. */
export const COMMAND_MS = 10_000;
/** How long it waits for a path, ms; then it is not sent. */
export const CONNECT_MS = 5_000;
/** How long it waits for a session, ms; then it goes without a seal, so that its refusal names the cause. */
export const SHAKE_MS = 3_000;
/** How long it waits for the verdict, ms, behind its own time: the relay counts that from the arrival. */
export const VERDICT_MS = 2_000;
export const MOST_ATTEMPTS = 6;
const WORTH_ANOTHER: readonly string[] = ["STALE_EPOCH", "SESSION_NEEDED"];
/** In time here and late there: one more in another session, whose clock is new. Late in that one, too, is late. */
const WORTH_ONE_MORE = "DEADLINE_PASSED";

/** How things stand for a command. */
export interface Standing {
  nowMs: number;
  /** There is a stream. */
  open: boolean;
  /** There is a stream, and the relay has said how the host is. */
  met: boolean;
  /** A command can be sealed, for a host that is there. */
  ready: boolean;
  hostAbsent: boolean;
  /** No stream will come any more. */
  final: boolean;
  /** The host itself has said that it has the task. */
  hostHas: boolean;
  /** The attempt that was posted last, as it stands. */
  last: Post | null;
}

/** What to do now. `wait` says for how long at most, ms. `over` says whether something was posted that may count. */
export type Doing = { do: "post"; validForMs: number; untilMs: number } | { do: "wait"; ms: number } | { do: "over"; posted: boolean };

/** One command on its way. */
export class Sending {
  private state: "path" | "session" | "verdict" = "path";
  private sinceMs: number;
  private left = MOST_ATTEMPTS;
  private wasLate = false; // of the attempts, one by the host's clock
  private endMs: number;
  /** The last attempt that went out. */
  last: Post | null = null;

  constructor(
    readonly command: Command,
    nowMs: number,
  ) {
    this.sinceMs = nowMs;
    this.endMs = nowMs + COMMAND_MS;
  }

  /** Says what to do. After "post" the caller posts, and tells `posted`. */
  next(at: Standing): Doing {
    for (;;) {
      const doing = this.step(at);
      if (doing !== null) return doing;
    }
  }

  /** Hears that an attempt is about to go out. */
  posted(post: Post): void {
    this.last = post;
    this.left--;
    this.state = "verdict";
  }

  /** Hears that the device slept for so many ms that its clock did not count: the person has waited for them, too. */
  aged(ms: number): void {
    this.sinceMs -= ms;
    this.endMs -= ms;
  }

  private step(at: Standing): Doing | null {
    switch (this.state) {
      case "path": {
        const waitMs = Math.min(this.endMs, this.sinceMs + CONNECT_MS) - at.nowMs;
        if (at.final || at.nowMs >= this.endMs) return this.over();
        if (at.met) return this.become("session", at);
        return waitMs > 0 ? { do: "wait", ms: waitMs } : this.over();
      }
      case "session": {
        const waitMs = Math.min(this.endMs, this.sinceMs + SHAKE_MS) - at.nowMs;
        if (at.final || at.nowMs >= this.endMs) return this.over();
        if (!at.open) return this.become("path", at);
        if (!at.ready && !at.hostAbsent && waitMs > 0) return { do: "wait", ms: waitMs };
        return { do: "post", validForMs: this.endMs - at.nowMs, untilMs: this.endMs + VERDICT_MS };
      }
      case "verdict": {
        const { last } = at;
        const undecided = last === null || last.verdict === "open" || last.verdict === "unknown";
        const waitMs = this.endMs + VERDICT_MS - at.nowMs;
        if (at.hostHas || at.final) return this.over(last);
        if (undecided) return waitMs > 0 ? { do: "wait", ms: waitMs } : this.over(last);
        const late = last.reason === WORTH_ONE_MORE && !this.wasLate;
        const again = late || last.verdict === "never_stored" || WORTH_ANOTHER.includes(last.reason);
        this.wasLate ||= late;
        return again && this.left > 0 ? this.become("path", at) : this.over(last);
      }
    }
  }

  private become(state: "path" | "session", at: Standing): null {
    [this.state, this.sinceMs] = [state, at.nowMs];
    return null;
  }

  private over(last: Post | null = this.last): Doing {
    return { do: "over", posted: last !== null && last.verdict !== "never_stored" };
  }
}
