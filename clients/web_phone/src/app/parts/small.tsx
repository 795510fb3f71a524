/** Small parts that several screens use. */

import type { ComponentChildren } from "preact";
import { useEffect } from "preact/hooks";

import type { Refused } from "../../protocol/errors.js";
import { refused } from "../model/link.js";
import { t, why } from "../words.js";
import { say } from "./heard.js";

/** Says why something did not happen, and what to do. Read out at once. */
export function Trouble({ of, values = {} }: { of: Refused | null; values?: Record<string, string> }) {
  if (of === null) return null;
  const { sentence, advice } = why(of.reason, { ...of.metadata, ...values });
  return (
    <div class="trouble" role="alert" data-reason={of.message}>
      <strong>{sentence}</strong> <span>{advice}</span>
    </div>
  );
}

/** Does what was pressed, and has `failed` show why it was not done; null while it is, and when it was. Never rejects. */
export async function tried(act: () => Promise<void>, failed: (why: Refused | null) => void): Promise<void> {
  failed(null);
  try {
    await act();
  } catch (problem) {
    failed(refused(problem));
  }
}

/** Gives the focus to the card that something is on: what was pressed goes away, and the focus would go with it. */
export function focusCard(pressed: EventTarget | null): void {
  if (pressed instanceof Element) pressed.closest<HTMLElement>("article")?.focus({ preventScroll: true });
}

/** How far something is, as a bar; said aloud at each quarter, and not at each percent. */
export function Bar({ label, done, total }: { label: string; done: number; total: number }) {
  const quarter = total > 0 ? Math.floor((4 * done) / total) : 0;
  useEffect(() => { say(label); }, [quarter]);
  return (
    <div class="bar">
      <span class="small" aria-hidden="true">{label}</span>
      {total > 0 ? <progress aria-label={label} value={done} max={total} /> : <progress aria-label={label} />}
    </div>
  );
}

/** A symbol that says nothing to who can't see it. */
export function Icon({ name }: { name: "back" | "send" | "attach" | "settings" | "plus" | "file" | "close" | "camera" | "down" }) {
  return <svg class="icon" viewBox="0 0 24 24" aria-hidden="true" focusable="false"><path d={PATHS[name]} /></svg>;
}

const PATHS = {
  back: "M15 5l-7 7 7 7",
  send: "M4 12l16-8-5 16-3-7-8-1z",
  attach: "M8 12.5l6-6a3 3 0 014.2 4.2l-8 8a5 5 0 01-7-7l7.5-7.5",
  settings: "M4 7h10M18 7h2M4 17h2M10 17h10M16 5v4M8 15v4",
  plus: "M12 5v14M5 12h14",
  file: "M7 3h7l4 4v14H7zM14 3v4h4",
  close: "M6 6l12 12M18 6L6 18",
  camera: "M4 8h4l2-2h4l2 2h4v11H4zM12 10a3.5 3.5 0 100 7 3.5 3.5 0 000-7",
  down: "M12 5v14M6 13l6 6 6-6",
} as const;

/** The frame of a screen: a bar with a title and a way back, and what is below. */
export function Frame({ title, back, actions, children }: { title: ComponentChildren; back?: () => void; actions?: ComponentChildren; children: ComponentChildren }) {
  return (
    <section class="frame">
      <header class="top">
        {back === undefined ? null : <BackButton go={back} />}
        <div class="title">{title}</div>
        {actions}
      </header>
      {children}
    </section>
  );
}

function BackButton({ go }: { go: () => void }) {
  return <button type="button" class="plain back" onClick={go} aria-label={t("app.back")}><Icon name="back" /></button>;
}
