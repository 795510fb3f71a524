/** What of a thread is said aloud. */

import { create } from "@bufbuild/protobuf";
import { expect, it } from "vitest";

import { news, type Stand } from "../../src/app/model/heard.js";
import { thread } from "../../src/app/model/story.js";
import { EMPTY } from "../../src/protocol/bytes.js";
import { type Event, EventSchema } from "../../src/protocol/dispatch/api/thread/v1/thread_pb.js";
import type { TaskId } from "../../src/protocol/ids.js";
import { NEW, type TaskState } from "../../src/protocol/thread/task_view.js";

const taskId = new Uint8Array(16).fill(7) as TaskId;

function event(said: Event["event"]): Event {
  return create(EventSchema, { taskId, atMs: 1n, event: said });
}

const step = (title: string): Event => event({ case: "step", value: create(EventSchema, { event: { case: "step", value: { title } } }).event.value as never });
const question = event({ case: "question", value: create(EventSchema, { event: { case: "question", value: { questionId: taskId, text: "May I?" } } }).event.value as never });

function looks(before: Stand | null, state: TaskState, ...events: Event[]): { now: Stand; said: string[] } {
  const { now, said } = news(before, thread([{ taskId, text: "sort", madeAtMs: 5, action: EMPTY, view: { ...NEW, state } }], events));
  return { now, said: said.map((one) => (one.what === "step" ? one.title : one.what === "state" ? one.task.state : `asks ${one.task.asked?.question.text ?? ""}`)) };
}

it("says nothing of what is there already, and everything that changes once", () => {
  const first = looks(null, "running", step("looking"));
  expect(first.said).toEqual([]);

  const next = looks(first.now, "running", step("looking"), step("sorting"));
  expect(next.said).toEqual(["sorting"]);

  expect(looks(next.now, "running", step("looking"), step("sorting")).said).toEqual([]);
  expect(looks(next.now, "done", step("looking"), step("sorting")).said).toEqual(["done"]);
});

it("says what is asked instead of that something is", () => {
  const { now } = looks(null, "running");

  expect(looks(now, "asking", question).said).toEqual(["asks May I?"]);
});

it("leaves out what a task passes through", () => {
  const { now } = news(new Map(), []);

  const sent = looks(now, "sent");

  expect([sent.said, looks(sent.now, "handed_over").said, looks(sent.now, "refused").said]).toEqual([[], [], ["refused"]]);
});
