/** The thread as a person reads it, from tasks and events; and what of a commit goes where. */

import { create, type MessageInitShape, toBinary } from "@bufbuild/protobuf";
import { describe, expect, it } from "vitest";

import { filesOf, saysWhyAway, story, thread } from "../../src/app/model/story.js";
import { changed, EMPTY_CORE } from "../../src/ground/snapshots.js";
import { read, write } from "../../src/ground/codec.js";
import { EMPTY, hex } from "../../src/protocol/bytes.js";
import { Reason } from "../../src/protocol/dispatch/api/error/v1/error_pb.js";
import { ActionSchema, Approval, type Event, EventSchema, QuestionSchema, StartedSchema, StepSchema } from "../../src/protocol/dispatch/api/thread/v1/thread_pb.js";
import type { MessageId, TaskId } from "../../src/protocol/ids.js";
import type { Post, Task } from "../../src/protocol/thread/store.js";
import { NEW, type TaskView } from "../../src/protocol/thread/task_view.js";

const taskId = new Uint8Array(16).fill(7) as TaskId;
const questionId = new Uint8Array(16).fill(9);
let number = 0;

function event(said: NonNullable<MessageInitShape<typeof EventSchema>["event"]>, atMs = ++number): Event {
  return create(EventSchema, { taskId, atMs: BigInt(atMs), event: said });
}

function task(view: Partial<TaskView>): Task {
  const action = toBinary(ActionSchema, create(ActionSchema, { action: { case: "task", value: { text: "sort", attachments: [{ name: "a.txt", size: 3n }] } } }));
  return { taskId, text: "sort", madeAtMs: 5, action, view: { ...NEW, ...view } };
}

const asking = event({ case: "question", value: { questionId, text: "May I?", actionDigest: new Uint8Array(32), rule: "sort files" } });

it("a question is open until it is answered, and an approval has the answers that fit its rule", () => {
  const open = story(task({ state: "asking" }), [asking]);
  expect(open.asked?.choices).toEqual(["once", "task", "always", "deny"]);

  const answered = event({ case: "answered", value: { questionId, approval: Approval.ONCE, by: "desk" } });
  const closed = story(task({ state: "running" }), [asking, answered]);
  expect([closed.asked, closed.answers]).toEqual([null, [{ approval: "once", text: "", by: "desk", reason: Reason.UNSPECIFIED }]]);
});

it("an answer to a question of the agent's own is no approval, whatever its words are", () => {
  const answered = event({ case: "answered", value: create(EventSchema, { event: { case: "answered", value: { questionId, text: "always", by: "desk" } } }).event.value as never });

  expect(story(task({ state: "running" }), [asking, answered]).answers).toEqual([{ approval: "", text: "always", by: "desk", reason: Reason.UNSPECIFIED }]);
});

describe("what is too long for a question", () => {
  const part = (number: number, many: number, detail: string): Event => event({ case: "step", value: create(StepSchema, { title: `What is asked about, part ${number} of ${many}`, detail }) });
  const asks = (parts: number): Event => event({ case: "question", value: create(QuestionSchema, { questionId, text: "May I?", actionDigest: new Uint8Array(32), preview: "rm …", parts }) });
  const preview = (...events: Event[]) => story(task({ state: "asking" }), events).asked?.preview;

  it("is shown whole with it, and not with the next", () => {
    expect(preview(part(1, 2, "rm "), part(2, 2, "-rf x"), asks(2))).toEqual({ text: "rm -rf x", whole: true });
    expect(preview(part(1, 1, "rm -rf x"), asks(1), asks(0))).toEqual({ text: "rm …", whole: true });
    expect(preview(part(1, 1, "of another question"), part(1, 1, "rm -rf x"), asks(1))).toEqual({ text: "rm -rf x", whole: true });
  });

  it.each([
    ["the first are missing", [part(3, 3, "ls")], 3],
    ["all are missing", [], 3],
    ["the last is missing", [part(1, 3, "ls"), part(2, 3, "ls")], 3],
    ["they are in another order", [part(2, 2, "ls"), part(1, 2, "ls")], 2],
    ["they are another question's", [part(1, 3, "ls"), part(2, 3, "ls")], 2],
    ["something stands between", [part(1, 2, "ls"), event({ case: "started", value: create(StartedSchema) }), part(2, 2, "ls")], 2],
    ["they are an agent's own steps", [event({ case: "step", value: create(StepSchema, { title: "ls", detail: "ls" }) })], 1],
  ] as const)("is not taken for whole where %s", (_, before, parts) => {
    expect(preview(...before, asks(parts))).toEqual({ text: "rm …", whole: false });
  });
});

it("a question of a task that is over asks nobody any more", () => {
  expect(story(task({ state: "timed_out" }), [asking]).asked).toBeNull();
});

it("what never ran may be sent again or deleted, what runs may be cancelled, and what is done is done", () => {
  expect(story(task({ state: "not_sent" }), []).may).toEqual({ cancel: false, resend: true, drop: true, dismiss: false });
  expect(story(task({ state: "running" }), []).may).toEqual({ cancel: true, resend: false, drop: false, dismiss: false });
  expect(story(task({ state: "done" }), []).may).toEqual({ cancel: false, resend: false, drop: false, dismiss: false });
  expect(story(task({ state: "running", away: "HOST_ASLEEP" }), []).may).toEqual({ cancel: false, resend: false, drop: false, dismiss: true });
});

it("a task that waits for an answer names the one that asks, where this phone knows it", () => {
  const asks = { ...task({ state: "asking" }), taskId: new Uint8Array(16).fill(1) as TaskId, text: "tidy up" };
  const waits = (askingTaskId: string): Task => task({ state: "waiting", waitsForAnswer: true, askingTaskId });

  const told = (one: Task): string => thread([asks, one], []).flatMap((item) => ("task" in item && item.task.id === hex(taskId) ? [item.task.waitsFor] : [])).join();

  expect(told(waits(hex(asks.taskId)))).toBe("tidy up");
  expect([told(waits("")), told(waits("00".repeat(16)))]).toEqual(["", ""]);
});

it("the thread is in the order of time, without what was deleted", () => {
  const paired = create(EventSchema, { atMs: 1n, event: { case: "paired", value: { hostName: "desk" } } });
  const items = thread([task({ state: "done" }), { ...task({ state: "dropped" }), taskId: new Uint8Array(16) as TaskId }], [paired]);
  expect(items.map((item) => ("task" in item ? item.task.words : item.mark.kind))).toEqual(["paired", "sort"]);
  expect(filesOf(task({}).action).map(({ name }) => name)).toEqual(["a.txt"]);
});

it("words that were added are the person's and no step of the agent, and those that came too late are told", () => {
  const { steps, added } = story(task({ state: "done" }), [
    event({ case: "step", value: { title: "looking" } }),
    event({ case: "steered", value: { text: "eggs as well" } }),
    event({ case: "ended", value: {} }),
    event({ case: "steerRefused", value: { text: "and bread", reason: Reason.TASK_OVER } }),
  ]);

  expect(steps.map(({ title }) => title)).toEqual(["looking"]);
  expect(added).toEqual([{ text: "eggs as well", late: false }, { text: "and bread", late: true }]);
});

it("a question that nobody answered keeps why it closed", () => {
  const closed = (reason: Reason): Event => event({ case: "answered", value: { questionId, reason } });

  const { answers } = story(task({ state: "cancelled" }), [asking, closed(Reason.NOBODY_ANSWERED), asking, closed(Reason.CANCELLED_BY_PERSON)]);

  expect(answers.map(({ by, reason }) => [by, reason])).toEqual([["", Reason.NOBODY_ANSWERED], ["", Reason.CANCELLED_BY_PERSON]]);
});

it("what was missed, set back or lost stands in the thread where it belongs", () => {
  const alone = (number: bigint, said: NonNullable<MessageInitShape<typeof EventSchema>["event"]>): Event => create(EventSchema, { number, atMs: number, event: said });
  const missed = alone(2n, { case: "missed", value: { text: "tidy up", fromMs: 10n, toMs: 20n, count: 2, reason: Reason.RUN_MISSED } });

  const items = thread([task({ state: "done" })], [missed, alone(9n, { case: "restored", value: {} })], [{ kind: "lost", number: 8n, atMs: 2 }]);

  expect(items.map((item) => ("task" in item ? "task" : item.mark.kind))).toEqual(["missed", "lost", "task", "restored"]);
  expect(items.flatMap((item) => ("mark" in item && item.mark.kind === "missed" ? [item.mark] : []))).toEqual([
    { kind: "missed", number: 2n, atMs: 2, text: "tidy up", firstMs: 10, lastMs: 20, count: 2, reason: Reason.RUN_MISSED },
  ]);
});

it("values go into the database and come out again as they were", () => {
  const value = { list: [1n, -3n, new Uint8Array([0, 255]), "text", null], deep: { empty: EMPTY, flag: true } };
  expect(read(write(value))).toEqual(value);
});

it("many posts of tasks that are over go; those without a verdict stay", () => {
  const done = task({ state: "done" });
  const post = (n: number, verdict: Post["verdict"]): Post => ({
    messageId: new Uint8Array(16).map((_, at) => (at < 2 ? (n >> (8 * at)) & 255 : 1)) as MessageId, taskId, what: "task", attempt: n, verdict, reason: "", retryAfterMs: 0,
  });
  const posts = Array.from({ length: 600 }, (_, n) => post(n, n === 3 ? "open" : "taken"));

  const { core } = changed({ ...EMPTY_CORE, posts }, new Map([[hex(taskId), done]]), [{ kind: "cursor", seq: 4n }]);

  expect([core.posts.length, core.posts[0]?.attempt, core.cursor]).toEqual([501, 3, 4n]);
});

it("the number of the newest event that calls a person is kept: of what is asked, and of the end", () => {
  const numbered = (of: Event, at: bigint): Event => ({ ...of, number: at });
  const [told, ended] = [event({ case: "step", value: { title: "looking" } }), event({ case: "ended", value: { text: "" } })];

  expect(story(task({ state: "running" }), [numbered(told, 3n)]).calledAt).toBe(0n);
  expect(story(task({ state: "asking" }), [numbered(asking, 4n), numbered(told, 5n)]).calledAt).toBe(4n);
  expect(story(task({ state: "done" }), [numbered(asking, 4n), numbered(ended, 6n)]).calledAt).toBe(6n);
});

it("why a computer is away needs no saying where a card says it: of one that it has, or of the newest that did not get there", () => {
  const says = (...views: Partial<TaskView>[]): boolean => saysWhyAway(views.map((view) => ({ task: story(task(view), []) })), "HOST_ASLEEP");
  const [away, refused, done] = [{ state: "running", away: "HOST_ASLEEP" }, { state: "refused", reason: "HOST_ASLEEP" }, { state: "done" }] as const;

  expect([says(away, done), says(done, refused)]).toEqual([true, true]);
  expect([says(), says(done), says(refused, done), says({ ...refused, reason: "QUEUE_FULL" }), says({ ...away, away: "HOST_APP_CLOSED" })]).toEqual([false, false, false, false, false]);
});
