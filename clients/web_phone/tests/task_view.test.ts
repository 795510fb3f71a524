/** Where a task stands: the table, walked through. */

import { describe, expect, it } from "vitest";

import type { Fact, FactKind } from "../src/protocol/thread/facts.js";
import { after, isOver, NEW, OUTCOMES, STEPS, type TaskState, type TaskView, UNSENT, WITH_HOST } from "../src/protocol/thread/task_view.js";

const STATES: readonly TaskState[] = [
  "new", "sent", "handed_over", "unconfirmed", "not_sent", "dropped", "refused", "accepted", "waiting", "running", "asking",
  "done", "failed", "cancelled", "interrupted", "denied", "timed_out",
];
const KINDS: readonly FactKind[] = [
  "sent", "not_sent", "unconfirmed", "dropped", "out_of_contact", "back", "dismissed", "handed_over", "taken", "refused", "never_stored",
  "accepted", "scheduled", "waiting", "started", "step", "text", "asking", "answered", "artifact", "ended",
];
const pairs = STATES.flatMap((state) => KINDS.map((kind) => ({ state, kind })));

function all(...facts: Omit<Fact, "atMs">[]): TaskView {
  return facts.reduce((view, fact) => after(view, { atMs: 1, ...fact }), NEW);
}

it.each(pairs)("$kind in $state moves as the table says", ({ state, kind }) => {
  const view = after({ ...NEW, state, attempt: 1 }, { kind, atMs: 1, attempt: 1, outcome: "done" });
  const step = STEPS[kind];
  const ended = OUTCOMES.has(state) ? state : "done";
  const expected = kind === "ended" ? ended : step?.from.has(state) === true ? step.to : state;
  expect(view.state).toBe(expected);
});

describe("the host's word outranks the relay's", () => {
  it("nothing that a relay says moves a task that the host has, or that is over", () => {
    for (const kind of ["handed_over", "taken", "refused", "never_stored", "unconfirmed", "sent", "not_sent"] as const) {
      for (const state of [...WITH_HOST, ...OUTCOMES]) expect(after({ ...NEW, state, attempt: 1 }, { kind, atMs: 1, attempt: 1 }).state).toBe(state);
    }
  });

  it("a refused attempt that the host has is tampering", () => {
    const view = all({ kind: "sent", attempt: 1 }, { kind: "refused", attempt: 1, reason: "NOT_TAKEN_IN_TIME" }, { kind: "accepted", attempt: 1 });
    expect([view.state, view.tampering]).toEqual(["accepted", true]);
  });
});

it("a task that waits for an answer says so until it is given", () => {
  const asks = all({ kind: "accepted", attempt: 1 }, { kind: "waiting", position: 1, waitsForAnswer: true, detail: "ab" });
  expect([asks.waitsForAnswer, asks.askingTaskId]).toEqual([true, "ab"]);
  const goesOn = after(asks, { kind: "waiting", atMs: 2, position: 1, waitsForAnswer: false, detail: "" });
  expect([goesOn.waitsForAnswer, goesOn.askingTaskId]).toEqual([false, ""]);
});

it("a task is over only when none of its attempts may run", () => {
  const two = all({ kind: "sent", attempt: 1 }, { kind: "unconfirmed", attempt: 1 }, { kind: "sent", attempt: 2 }, { kind: "refused", attempt: 2 });
  expect([two.state, isOver(two)]).toEqual(["unconfirmed", false]);
  const none = after(two, { kind: "refused", atMs: 1, attempt: 1, reason: "NOT_TAKEN_IN_TIME" });
  expect([none.state, UNSENT.has(none.state)]).toEqual(["refused", true]);
});
