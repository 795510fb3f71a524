/** No words of a screen are left over when what said them is gone. */

import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

import { expect, it } from "vitest";

import screen from "../src/app/words/en.js";

const APP = join(import.meta.dirname, "..", "src", "app");

it("each of them is said somewhere", () => {
  const sources = readdirSync(APP, { recursive: true, encoding: "utf-8" }).filter((name) => /\.tsx?$/.test(name) && !name.startsWith("words/"));
  const all = sources.map((name) => readFileSync(join(APP, name), "utf-8")).join("\n");
  const made = ["ask", "answer"].filter((part) => all.includes(`\`${part}.\${`)); // of a choice

  const unused = Object.keys(screen).filter((key) => !all.includes(`"${key}"`) && !made.some((part) => key.startsWith(`${part}.`)));

  expect(unused).toEqual([]);
});
