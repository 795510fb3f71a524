/** What exactly would be done, put together from the parts in which it came. Pure. */

import type { Question } from "../../protocol/dispatch/api/thread/v1/thread_pb.js";
import { partTitle } from "../../protocol/thread/facts.js";

/** Markdown, and whether it is all of it: nobody says yes to what they can't read. */
export interface Preview {
  readonly text: string;
  readonly whole: boolean;
}

/** Gives the preview of a question; `before` are the steps right before it, of which as many as it says hold its parts, from the first to the last. */
export function previewOf({ preview, parts }: Question, before: readonly { title: string; detail: string }[]): Preview {
  if (parts === 0) return { text: preview, whole: true };
  const held = before.slice(-parts);
  const whole = held.length === parts && held.every(({ title }, at) => title === partTitle(at + 1, parts));
  return { text: whole ? held.map(({ detail }) => detail).join("") : preview, whole };
}
