/** What a relay and a host say of moments never breaks a screen, and a screen that breaks all the same says so. */

import { create, toBinary } from "@bufbuild/protobuf";
import { h } from "preact";
import { expect, it } from "vitest";

import { thread } from "../../src/app/model/story.js";
import { Unbroken } from "../../src/app/parts/unbroken.js";
import { timeWords } from "../../src/app/words.js";
import { EMPTY } from "../../src/protocol/bytes.js";
import { EventSchema } from "../../src/protocol/dispatch/api/thread/v1/thread_pb.js";
import type { TaskId } from "../../src/protocol/ids.js";
import { checkedMoment, LATEST_MS } from "../../src/protocol/moments.js";
import { eventOf } from "../../src/protocol/thread/events.js";
import { factOf } from "../../src/protocol/thread/facts.js";
import { NEW } from "../../src/protocol/thread/task_view.js";

const [SMALLEST, LARGEST] = [-(2n ** 63n), 2n ** 63n - 1n];
const taskId = new Uint8Array(16).fill(7) as TaskId;

it.each([SMALLEST, -1n, LATEST_MS + 1n, LARGEST])("the moment %s is none that a relay may say", (ms) => {
  expect(() => checkedMoment(ms)).toThrow("PROTOCOL_VIOLATION");
});

it.each([SMALLEST, LARGEST])("a thread with the moment %s in it can be shown", (ms) => {
  const [step, paired, missed] = [
    { case: "step", value: { title: "looks" } }, { case: "paired", value: { hostName: "desk" } }, { case: "missed", value: { fromMs: ms, toMs: ms } },
  ].map((event) => eventOf(toBinary(EventSchema, create(EventSchema, { taskId, atMs: ms, event: event as never })))) as [never, never, never];
  const items = thread([{ taskId, text: "sort", madeAtMs: factOf(step)?.atMs ?? NaN, action: EMPTY, view: NEW }], [step, paired, missed]);

  const moments = items.map((item) => ("task" in item ? [item.task.atMs, ...item.task.steps.map(({ atMs }) => atMs)] : [item.mark.atMs]));

  for (const atMs of moments.flat()) expect([0, Number(LATEST_MS)]).toContain(atMs);
  expect(missed).toMatchObject({ event: { value: { fromMs: BigInt(moments.flat()[0] ?? -1), toMs: BigInt(moments.flat()[0] ?? -1) } } });
});

it("whatever number it is, its words break no screen", () => {
  for (const ms of [0, 1, Number(LATEST_MS), Number(SMALLEST), Number(LARGEST), NaN, Infinity]) expect(timeWords(ms)).not.toBe("");
});

it("a screen that breaks does not stand there as it was: it says so", () => {
  const screen = new Unbroken({ children: h("p", null, "reachable, running"), away: () => undefined });
  expect(screen.render()).toMatchObject({ props: { children: "reachable, running" } });

  screen.state = Unbroken.getDerivedStateFromError();

  const { props } = screen.render() as { props: { children: { props: object }[] } };
  expect(props.children.map((one) => one.props)).toContainEqual(expect.objectContaining({ role: "alert" }));
});
