/** What a host wrote is said once, in the person's language; and what is refused before it goes anywhere. */

import { expect, it } from "vitest";

import { beside } from "../../src/app/model/beside.js";
import { Reason } from "../../src/protocol/dispatch/api/error/v1/error_pb.js";
import { refusedHere } from "../../src/protocol/thread/commands.js";
import german from "../../src/words/de.json" with { type: "json" };
import english from "../../src/words/en.json" with { type: "json" };

it("the reason's own words at the beginning of what a host wrote are left out, in both languages", () => {
  const { sentence, advice } = english.reason.NOT_PERMITTED;

  for (const spoken of [english, german]) {
    expect(beside(sentence, "NOT_PERMITTED", english, spoken)).toBe("");
    expect(beside(`${sentence} ${advice}`, "NOT_PERMITTED", english, spoken)).toBe("");
    expect(beside(`${sentence} It is: use the network.`, "NOT_PERMITTED", english, spoken)).toBe("It is: use the network.");
  }
});

it("a case's words are said in the person's language, and all else stays as it came", () => {
  const { TAMPERING } = english.case;

  expect(beside(`${TAMPERING.sentence} Really.`, "", english, german)).toBe(`${german.case.TAMPERING.sentence} Really.`);
  for (const text of ["", "Done.", `He said: ${english.reason.NOT_PERMITTED.sentence}`]) expect(beside(text, "NOT_PERMITTED", english, german)).toBe(text);
  expect(beside(english.reason.NOT_PERMITTED.sentence, "OF_A_LATER_VERSION", english, german)).toBe(english.reason.NOT_PERMITTED.sentence);
});

it("what recurs is refused by the first word, and only by it", () => {
  for (const text of ["/schedule every day", " /Schedule", "/SCHEDULE\nlook"]) expect(refusedHere(text)?.reason).toBe(Reason.SCHEDULE_ON_HOST);
  for (const text of ["/scheduler of the cluster: restart", "look at /schedule", "schedule", ""]) expect(refusedHere(text)).toBeNull();
});
