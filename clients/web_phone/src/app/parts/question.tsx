/** What a computer asks: what exactly would be done, and the answers. */

import { useEffect, useState } from "preact/hooks";

import { clock } from "../../ground/clock.js";
import type { Refused } from "../../protocol/errors.js";
import type { TaskId } from "../../protocol/ids.js";
import type { Link } from "../model/link.js";
import type { Asked } from "../model/story.js";
import { line, type ScreenKey, t } from "../words.js";
import { AT_ONCE, Markdown } from "./markdown.js";
import { focusCard, Trouble } from "./small.js";

/** So long a question takes no answer, ms. */
const FRESH_MS = 700;

/** What holds for more than what is asked here. */
const LASTING: ReadonlySet<string> = new Set(["task", "always"]);

/** The question, until it is answered somewhere. */
export function Question({ asked, taskId, link }: { asked: Asked; taskId: TaskId; link: Link }) {
  const [busy, setBusy] = useState(false);
  const [trouble, setTrouble] = useState<Refused | null>(null);
  const [unknown, setUnknown] = useState(false);
  const { question, choices, isApproval, preview } = asked;
  // Nobody says yes to what they can't read: what is not here, or not laid out.
  const [laidOut, setLaidOut] = useState(preview.text.length <= AT_ONCE);
  // What was meant for what stood here a moment ago is no answer to this.
  const [fresh, setFresh] = useState(true);
  useEffect(() => clock.after(FRESH_MS, () => { setFresh(false); }), []);
  const dead = busy || fresh;
  const readable = !isApproval || (preview.whole && laidOut);
  const offered = readable ? choices : choices.filter((choice) => choice === "deny");
  const lasting = isApproval ? offered.filter((choice) => LASTING.has(choice)) : [];
  const answer = async (said: string, pressed: EventTarget | null): Promise<void> => {
    focusCard(pressed);
    setBusy(true);
    setTrouble(null);
    setUnknown(false);
    const given = await link.answer(taskId, asked, said);
    setTrouble(given.why);
    setUnknown(given.became === "not_known");
    if (given.became !== "counts") setBusy(false); // else the thread has it, and this goes
  };
  const submit = (event: SubmitEvent): void => {
    event.preventDefault();
    const said = new FormData(event.currentTarget as HTMLFormElement).get("said");
    if (typeof said === "string" && said.trim() !== "") void answer(said, event.currentTarget);
  };
  return (
    <div class="card question" role="group" aria-label={t("ask.title", { host: link.name })}>
      {/* A choice is the agent's own words: whatever they are, they are seen to be no approval. */}
      <p class="lead">{isApproval ? question.text : line("agent_asks", { text: question.text })}</p>
      {preview.text === "" ? null : <div class="preview"><Markdown text={preview.text} shown={() => { setLaidOut(true); }} /></div>}
      {readable ? null : <p class="small" data-unread={preview.whole ? "more" : "missing"}>{preview.whole ? t("ask.more") : t("ask.missing", { host: link.name })}</p>}
      {question.rule === "" || lasting.length === 0 ? null
        : <p class="small hint rule">{t("ask.holds_for", { rule: question.rule, answers: lasting.map((one) => t("thread.quoted", { words: t(`ask.${one}` as ScreenKey) })).join(", ") })}</p>}
      <Trouble of={trouble} values={{ host: link.name }} />
      {unknown ? <div class="trouble" role="alert" data-reason="not_known">{t("ask.not_known", { host: link.name })}</div> : null}
      {choices.length > 0
        ? <div class="row answers">
          {offered.map((choice, at) => <button key={choice} type="button" class={at === 0 && readable ? "primary" : ""} disabled={dead} data-answer={choice} onClick={({ currentTarget }) => void answer(choice, currentTarget)}>
            {isApproval ? t(`ask.${choice}` as ScreenKey) : choice}</button>)}
        </div>
        : <form class="row" onSubmit={submit}>
          <input name="said" aria-label={t("ask.words")} placeholder={t("ask.words")} autocomplete="off" disabled={busy} />
          <button type="submit" class="primary" disabled={dead}>{t("ask.send")}</button>
        </form>}
    </div>
  );
}
