/** What a computer asks: what exactly would be done, and the answers. */

import { useState } from "preact/hooks";

import type { Refused } from "../../protocol/errors.js";
import type { TaskId } from "../../protocol/ids.js";
import type { Link } from "../model/link.js";
import type { Asked } from "../model/story.js";
import { line, type ScreenKey, t } from "../words.js";
import { AT_ONCE, Markdown } from "./markdown.js";
import { focusCard, Trouble } from "./small.js";

/** The question, until it is answered somewhere. */
export function Question({ asked, taskId, link }: { asked: Asked; taskId: TaskId; link: Link }) {
  const [busy, setBusy] = useState(false);
  const [trouble, setTrouble] = useState<Refused | null>(null);
  const { question, choices, isApproval, preview } = asked;
  // Nobody says yes to what they can't read: what is not here, or not laid out.
  const [laidOut, setLaidOut] = useState(preview.text.length <= AT_ONCE);
  const readable = !isApproval || (preview.whole && laidOut);
  const offered = readable ? choices : choices.filter((choice) => choice === "deny");
  const answer = async (said: string, pressed: EventTarget | null): Promise<void> => {
    focusCard(pressed);
    setBusy(true);
    setTrouble(null);
    const why = await link.answer(taskId, asked, said);
    setTrouble(why);
    if (why !== null) setBusy(false); // else it is answered, and goes when the computer says so
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
      {question.rule === "" ? null : <p class="small hint">{t("ask.remembered", { rule: question.rule })}</p>}
      <Trouble of={trouble} values={{ host: link.name }} />
      {choices.length > 0
        ? <div class="row answers">
          {offered.map((choice, at) => <button key={choice} type="button" class={at === 0 && readable ? "primary" : ""} disabled={busy} data-answer={choice} onClick={({ currentTarget }) => void answer(choice, currentTarget)}>
            {isApproval ? t(`ask.${choice}` as ScreenKey) : choice}</button>)}
        </div>
        : <form class="row" onSubmit={submit}>
          <input name="said" aria-label={t("ask.words")} placeholder={t("ask.words")} autocomplete="off" disabled={busy} />
          <button type="submit" class="primary" disabled={busy}>{t("ask.send")}</button>
        </form>}
    </div>
  );
}
