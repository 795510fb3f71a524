/** What a stranger wrote is shown, and a file of theirs is named, as the Python code does it; and none of it gets onto the page otherwise. */

import { Fragment, h } from "preact";
import { expect, it } from "vitest";

import { oneLine, plain } from "../../src/app/plain.js";
import { showPlain } from "../../src/app/plain_page.js";
import { safeName } from "../../src/protocol/files/names.js";
import { own } from "../support/vectors.js";

const vector = own<{ texts: { written: string; shown: string }[]; names: { sent: string; kept: string }[] }>("plain.json");

it.each(vector.texts)("shows $written as what it is", ({ written, shown }) => {
  expect(plain(written)).toBe(shown);
  expect(plain(shown)).toBe(shown);
});

it.each(vector.names)("keeps $sent under a name that tricks nobody", ({ sent, kept }) => {
  expect(safeName(sent)).toBe(kept);
});

it("writes on one line", () => {
  expect(oneLine(" a\r\n\tb \u00a0 c\u202e ")).toBe("a b c⟨U+202E⟩");
});

it("nothing gets onto the page but so, whatever element it is in; what is not shown stays as it is", () => {
  showPlain();
  const trick = "a\u202eb";

  const button = h("button", { "aria-label": trick, title: trick, "data-answer": trick, value: trick }, trick, [" ", [trick]], h("b", null, trick), 7);

  expect(button.props).toMatchObject({ "aria-label": "a⟨U+202E⟩b", title: "a⟨U+202E⟩b", "data-answer": trick, value: trick });
  const [first, second, bold, number] = button.props.children as [string, unknown, { props: unknown }, number];
  expect([first, second, bold.props, number]).toEqual(["a⟨U+202E⟩b", [" ", ["a⟨U+202E⟩b"]], { children: "a⟨U+202E⟩b" }, 7]);
  expect(h(Fragment, null, trick).props.children).toBe("a⟨U+202E⟩b");
});
