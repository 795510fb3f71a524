/**
 * Where a task stands, from the facts that are known.
 *
 * The sealed word of the host outranks the relay's: what contradicts it is shown as tampering, never believed. docs/phone.md.
 */

import type { Fact, FactKind, OutcomeWord } from "./facts.js";

/** Where a task stands, as far as this phone knows. */
export type TaskState =
  | "new" | "sent" | "handed_over" | "unconfirmed" | "not_sent" | "dropped" | "refused"
  | "accepted" | "waiting" | "running" | "asking" | OutcomeWord;

/** Nobody has said yes or no. */
export const ON_THE_WAY: ReadonlySet<TaskState> = new Set(["new", "sent", "handed_over", "unconfirmed"]);
export const WITH_HOST: ReadonlySet<TaskState> = new Set(["accepted", "waiting", "running", "asking"]);
export const OUTCOMES: ReadonlySet<TaskState> = new Set(["done", "failed", "cancelled", "interrupted", "denied", "timed_out"]);
/** In the outbox: it never ran, its words are kept, and it goes out again only when the person says so. */
export const UNSENT: ReadonlySet<TaskState> = new Set(["not_sent", "refused"]);

const BEFORE: readonly TaskState[] = [...ON_THE_WAY, ...UNSENT, "dropped"];

/**
 * The states in which a fact moves the task, and where to. Anywhere else the fact is noted and moves nothing: a relay may repeat,
 * reorder or lie, and none of that may move a task that is over, or back one that the host has.
 */
export const STEPS: Readonly<Partial<Record<FactKind, { from: ReadonlySet<TaskState>; to: TaskState }>>> = {
  sent: { from: new Set(BEFORE), to: "sent" },
  handed_over: { from: new Set(["sent", "unconfirmed"]), to: "handed_over" },
  taken: { from: new Set(["sent", "unconfirmed"]), to: "handed_over" },
  unconfirmed: { from: new Set(["sent", "handed_over"]), to: "unconfirmed" },
  // These two end the task only when no attempt of it may run; with one that may it is unconfirmed (`next`).
  refused: { from: ON_THE_WAY, to: "refused" },
  not_sent: { from: ON_THE_WAY, to: "not_sent" },
  dropped: { from: UNSENT, to: "dropped" },
  accepted: { from: new Set(BEFORE), to: "accepted" },
  scheduled: { from: new Set(BEFORE), to: "accepted" },
  waiting: { from: new Set([...BEFORE, "accepted"]), to: "waiting" },
  started: { from: new Set([...BEFORE, "accepted", "waiting"]), to: "running" },
  asking: { from: new Set([...BEFORE, ...WITH_HOST]), to: "asking" },
  answered: { from: new Set(["asking"]), to: "running" },
};

/** A task as it can be shown. */
export interface TaskView {
  readonly state: TaskState;
  /** The attempt that counts: the last sent, or the one that the host took. */
  readonly attempt: number;
  readonly reason: string;
  readonly retryAfterMs: number;
  /** The result so far, Markdown. */
  readonly text: string;
  /** The host's sentence at the end. */
  readonly said: string;
  /** Why the host is out of contact; empty while it is in contact. */
  readonly away: string;
  /** Whether the person waits no longer; what the host says of it is shown all the same. */
  readonly dismissed: boolean;
  /** Whether the relay denied what the host signed. */
  readonly tampering: boolean;
  /** Whether the host itself began it, as its owner set up there. */
  readonly scheduled: boolean;
  /** Its place in line while it waits. */
  readonly position: number;
  /** Whether the task before all asks a person, while it waits; and which, in hex, if it is this phone's. */
  readonly waitsForAnswer: boolean;
  readonly askingTaskId: string;
  /** What it asks, while it asks. */
  readonly question: string;
  /** The attempts that were sent and of which nobody has said that they never run. With one of them the task is not over. */
  readonly mayRun: readonly number[];
  /** Those of them that have their go, by the relay's word. */
  readonly taken: readonly number[];
  /** Those of which the relay said that they never ran. */
  readonly denied: readonly number[];
  readonly atMs: number;
}

export const NEW: TaskView = {
  state: "new", attempt: 0, reason: "", retryAfterMs: 0, text: "", said: "", away: "", dismissed: false, tampering: false,
  scheduled: false, position: 0, waitsForAnswer: false, askingTaskId: "", question: "", mayRun: [], taken: [], denied: [], atMs: 0,
};

/** Whether an attempt of it has its go and the host's own word is still to come. */
export function awaitsHost(view: TaskView): boolean {
  return ON_THE_WAY.has(view.state) && view.taken.length > 0;
}

/** Whether only the host can say what becomes of it, as it says itself or as the go for it shows. */
export function isTheHosts(view: TaskView): boolean {
  return WITH_HOST.has(view.state) || awaitsHost(view);
}

/** Whether nothing can be heard of it just now: its host is out of contact, or its verdict is. */
export function mayBeDismissed(view: TaskView): boolean {
  return view.state === "unconfirmed" || (view.away !== "" && isTheHosts(view));
}

/** Whether nothing more will become of it by itself. */
export function isOver(view: TaskView): boolean {
  return OUTCOMES.has(view.state) || UNSENT.has(view.state) || view.state === "dropped";
}

/** Gives the state with the contact to the host in it. */
export function shownState(view: TaskView): TaskState | "out_of_contact" | "dismissed" {
  if (view.dismissed && mayBeDismissed(view)) return "dismissed";
  return view.away !== "" && isTheHosts(view) ? "out_of_contact" : view.state;
}

/** Takes one more fact in. */
export function after(before: TaskView, fact: Fact): TaskView {
  const view = counted(before, fact);
  const state = next(view, fact);
  const moves = state !== view.state;
  const moved = { ...view, state, atMs: fact.atMs, dismissed: view.dismissed && !moves }; // news undo it
  const { attempt = 0, reason = "", retryAfterMs = 0, text = "" } = fact;
  switch (fact.kind) {
    case "sent":
      return moves || BEFORE.includes(view.state) ? { ...moved, attempt, reason: "", retryAfterMs: 0, dismissed: false } : moved;
    case "refused":
    case "not_sent":
      return moves || (attempt === view.attempt && ON_THE_WAY.has(view.state)) ? { ...moved, reason, retryAfterMs } : moved;
    case "accepted":
      return { ...moved, attempt, reason: "", retryAfterMs: 0, tampering: view.tampering || view.denied.includes(attempt) };
    case "scheduled": return { ...moved, scheduled: true };
    case "waiting": return state === "waiting" ? { ...moved, position: fact.position ?? 0, waitsForAnswer: fact.waitsForAnswer ?? false, askingTaskId: fact.detail ?? "" } : moved;
    case "asking": return state === "asking" ? { ...moved, question: text } : moved;
    case "text": return { ...moved, text: view.text + text };
    case "out_of_contact": return isTheHosts(view) ? { ...moved, away: reason } : moved;
    case "back": return { ...moved, away: "", dismissed: false };
    case "dismissed": return { ...moved, dismissed: mayBeDismissed(view) };
    case "ended": return moves ? { ...moved, reason, said: text, away: "" } : moved;
    default: return moved;
  }
}

const OF_ONE_ATTEMPT: ReadonlySet<FactKind> = new Set(["handed_over", "taken", "unconfirmed", "refused", "not_sent"]);

/** Keeps account of the attempts: which may run, which have their go, and which the relay denied. */
function counted(view: TaskView, fact: Fact): TaskView {
  const { attempt = 0 } = fact;
  switch (fact.kind) {
    case "sent": return { ...view, mayRun: [...new Set([...view.mayRun, attempt])] };
    case "taken": return view.mayRun.includes(attempt) ? { ...view, taken: [...new Set([...view.taken, attempt])] } : view;
    case "refused":
    case "never_stored": {
      // The relay's word, and false when the host says that it has the attempt, before it or behind it.
      const isFalse = !BEFORE.includes(view.state) && attempt === view.attempt;
      // The first verdict counts; and what outdid the newest attempt that is known here may run in its place.
      const ran = view.taken.includes(attempt) || (fact.reason === "ATTEMPT_SUPERSEDED" && attempt === view.attempt);
      return {
        ...view,
        denied: [...new Set([...view.denied, attempt])],
        tampering: view.tampering || isFalse,
        mayRun: ran ? view.mayRun : view.mayRun.filter((one) => one !== attempt),
      };
    }
    default: return view;
  }
}

function next(view: TaskView, fact: Fact): TaskState {
  if (fact.kind === "ended") return OUTCOMES.has(view.state) ? view.state : (fact.outcome ?? "failed");
  if (OF_ONE_ATTEMPT.has(fact.kind) && (fact.attempt ?? 0) !== view.attempt) {
    // The last verdict that was out may be the one on an older attempt.
    return fact.kind === "refused" && view.state === "unconfirmed" && view.mayRun.length === 0 ? "refused" : view.state;
  }
  const denies = fact.kind === "refused" || fact.kind === "not_sent";
  // Another attempt may run, so nobody can say that the task never did.
  if (denies && ON_THE_WAY.has(view.state) && view.mayRun.length > 0) return "unconfirmed";
  const step = STEPS[fact.kind];
  return step?.from.has(view.state) === true ? step.to : view.state;
}
