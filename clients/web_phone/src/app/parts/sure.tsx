/** What can't be undone is asked about first. */

import { useEffect, useRef, useState } from "preact/hooks";

import type { Refused } from "../../protocol/errors.js";
import { t } from "../words.js";
import { tried } from "./small.js";

/** A button that asks before it does something that can't be undone. `failed` hears why that was not done. */
export function Sure({ label, question, act, failed }: { label: string; question: string; act: () => Promise<void>; failed: (why: Refused | null) => void }) {
  const [asks, setAsks] = useState(false);
  const [asked, no] = [useRef<HTMLButtonElement>(null), useRef<HTMLButtonElement>(null)];
  const seen = useRef(false); // nothing takes the focus before the person has pressed anything
  // In front of the answer that changes nothing; and back where it came from.
  useEffect(() => {
    if (seen.current) (asks ? no : asked).current?.focus();
    seen.current = true;
  }, [asks]);
  if (!asks) return <button ref={asked} type="button" class="danger" onClick={() => { setAsks(true); }}>{label}</button>;
  return (
    <div class="card" role="alertdialog" aria-label={question} onKeyDown={({ key }) => { if (key === "Escape") setAsks(false); }}>
      <p>{question}</p>
      <div class="row">
        <button ref={no} type="button" onClick={() => { setAsks(false); }}>{t("settings.no")}</button>
        <button type="button" class="danger" onClick={() => { setAsks(false); void tried(act, failed); }}>{t("settings.yes")}</button>
      </div>
    </div>
  );
}
