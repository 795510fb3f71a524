/** What of a thread is said aloud. */

import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { expect, it } from "vitest";

import { news, type News, type Stand } from "../../src/app/model/heard.js";
import { thread } from "../../src/app/model/story.js";
import { EMPTY } from "../../src/protocol/bytes.js";
import { type Event, EventSchema } from "../../src/protocol/dispatch/api/thread/v1/thread_pb.js";
import type { TaskId } from "../../src/protocol/ids.js";
import { NEW, type TaskState } from "../../src/protocol/thread/task_view.js";

const taskId = new Uint8Array(16).fill(7) as TaskId;

function event(said: NonNullable<MessageInitShape<typeof EventSchema>["event"]>): Event {
  return create(EventSchema, { taskId, atMs: 1n, event: said });
}

const step = (title: string): Event => event({ case: "step", value: { title } });
const question = event({ case: "question", value: { questionId: taskId, text: "May I?" } });

function looks(before: Stand | null, state: TaskState, ...events: Event[]): { now: Stand; said: string[] } {
  const { now, said } = news(before, thread([{ taskId, text: "sort", madeAtMs: 5, action: EMPTY, view: { ...NEW, state } }], events));
  return { now, said: said.map(words) };
}

function words(one: News): string {
  switch (one.what) {
    case "mark": return one.mark.kind;
    case "added": return `${one.added.late ? "late" : "told"} ${one.added.text}`;
    case "step": return one.title;
    case "state": return one.task.state;
    case "asks": return `asks ${one.task.asked?.question.text ?? ""}`;
  }
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
  const { now } = news({ tasks: new Map(), marks: new Set() }, []);

  const sent = looks(now, "sent");

  expect([sent.said, looks(sent.now, "handed_over").said, looks(sent.now, "refused").said]).toEqual([[], [], ["refused"]]);
});

it("says of added words whether the agent took them, and that they came too late beside how the task ended", () => {
  const first = looks(null, "running");
  const told = event({ case: "steered", value: { text: "eggs as well" } });
  const late = event({ case: "steerRefused", value: { text: "and bread" } });

  const next = looks(first.now, "running", told);

  expect(next.said).toEqual(["told eggs as well"]);
  expect(looks(next.now, "done", told, late).said).toEqual(["done", "late and bread"]);
});

it("says once what the computer missed", () => {
  const missed = create(EventSchema, { number: 4n, event: { case: "missed", value: { text: "tidy" } } });
  const first = looks(null, "done");

  const next = looks(first.now, "done", missed);

  expect([next.said, looks(next.now, "done", missed).said]).toEqual([["missed"], []]);
});
