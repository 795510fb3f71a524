/** Which card a tapped notification opens. */

import { expect, it } from "vitest";

import type { Asked, Item } from "../../src/app/model/story.js";
import { cardOf, fragmentOf, openingOf } from "../../src/app/model/tapped.js";

const pairing = "a".repeat(32);
const task = "b".repeat(32);
const NEWS = { task: "", urgent: false, seq: 9 };
const QUESTION = { task: "", urgent: true, seq: 9 };

function card(id: string, state: string, calledAt: number): Item {
  return { task: { id, state, view: { state: state === "out_of_contact" ? "running" : state }, calledAt: BigInt(calledAt), asked: state === "asking" ? ({} as Asked) : null } } as unknown as Item; // all that is read of it
}

it.each([NEWS, QUESTION, { task, urgent: true, seq: 0 }])("reads behind the # what was written there: %o", (about) => {
  expect(openingOf(fragmentOf(pairing, about))).toEqual({ pairing, about });
});

it("a thread alone is meant by a link without more, and nothing by what is none", () => {
  expect(openingOf(`thread=${pairing}`)).toEqual({ pairing, about: null });
  for (const written of ["", "thread=", `thread=${pairing}&about=`, `thread=${pairing}&about=news.-1.`, `thread=${pairing}&about=news.1.<b>`, `x thread=${pairing}`]) {
    expect(openingOf(written)).toBeNull();
  }
});

it("news are of the task that ended last, whichever was sent first and whatever goes on meanwhile", () => {
  const items = [card("first", "done", 8), card("second", "failed", 6), card("third", "running", 0), card("fourth", "asking", 9)];
  expect(cardOf(items, NEWS)).toBe("first");
});

it("a question is of the task that asks, and once it is answered of what came of it", () => {
  expect(cardOf([card("first", "asking", 3), card("second", "done", 8)], QUESTION)).toBe("first");
  expect(cardOf([card("first", "done", 9), card("second", "done", 8)], QUESTION)).toBe("first");
});

it("a question that was shown opens its own task, not another that asks by now", () => {
  const items = [card("first", "done", 3), card("second", "asking", 8)];
  expect(cardOf(items, { task: "first", urgent: true, seq: 0 })).toBe("first");
  expect(cardOf(items, { task: "gone", urgent: true, seq: 0 })).toBe("");
});

it("a computer that went away is of the task that it has", () => {
  const items = [card("first", "done", 8), card("second", "out_of_contact", 0), card("third", "refused", 0)];
  expect(cardOf(items, { ...NEWS, seq: 0 })).toBe("second");
  expect(cardOf(items.slice(0, 1), { ...NEWS, seq: 0 })).toBe("");
});
