/** What stands on buttons, beside files and under a computer's name, in both languages. */

import { beforeEach, expect, it, vi } from "vitest";

import type { Link } from "../../src/app/model/link.js";
import { Presence } from "../../src/app/parts/presence.js";
import { bytesWords, speak, t, why } from "../../src/app/words.js";
import { Reason } from "../../src/protocol/dispatch/api/error/v1/error_pb.js";

beforeEach(() => {
  vi.stubGlobal("navigator", { languages: [] });
  vi.stubGlobal("document", { documentElement: {} });
});

it.each(["en", "de"])("in %s a button of a file begins with a capital letter, and is within what is read for it", async (language) => {
  await speak(language);

  for (const [shown, read] of [["file.get", "file.get_of"], ["file.save", "file.save_of"], ["file.stop", "file.stop_of"]] as const) {
    expect(t(shown)).toMatch(/^\p{Lu}[^{}]*$/u);
    expect(t(read, { name: "a.bin" }).toLowerCase()).toContain(t(shown).toLowerCase());
  }
});

it.each([["en", ["0 B", "12 B", "999 B", "1.2 kB", "12 kB", "5 MB", "1.5 GB"]], ["de", ["0 B", "12 B", "999 B", "1,2 kB", "12 kB", "5 MB", "1,5 GB"]]] as const)("in %s sizes have one sign each, and stay on one line", async (language, said) => {
  await speak(language);

  expect([0, 12, 999, 1_200, 12_000, 5_000_000, 1_500_000_000].map(bytesWords)).toEqual(said.map((one) => one.replace(" ", "\u00a0")));
});

it("below a computer that is away stands what to do, and not again why", async () => {
  await speak("en");
  const link = { watch: () => 0, standing: "absent", cause: Reason.HOST_ASLEEP, name: "desk", presence: null } as unknown as Link;
  const said = (says: "how" | "what_to_do" | "both"): unknown => (Presence({ link, says }).props as { children: { props: { children: unknown } }[] }).children[1]?.props.children;
  const { sentence, advice } = why(Reason.HOST_ASLEEP, { host: "desk" });

  expect([said("how"), said("what_to_do"), said("both")]).toEqual([sentence, advice, `${sentence} ${advice}`]);
});
