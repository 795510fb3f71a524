/** One task: the person's words, where it went, how it stands, and what may be done with it. */

import { useState } from "preact/hooks";

import { hex } from "../../protocol/bytes.js";
import type { Refused } from "../../protocol/errors.js";
import { OUTCOMES } from "../../protocol/thread/task_view.js";
import type { Link } from "../model/link.js";
import type { Told, TaskStory } from "../model/story.js";
import { answerWords, besideCause, bytesWords, caseWords, causeOf, line, quoted, stateWords, stepWords, t, timeWords } from "../words.js";
import { Artifact } from "./artifact.js";
import { Markdown } from "./markdown.js";
import { Question } from "./question.js";
import { Bar, focusCard, Icon, Trouble } from "./small.js";

/** The card. */
export function TaskCard({ story, link }: { story: TaskStory; link: Link }) {
  const { view, state, artifacts, asked } = story;
  const values = { host: link.name, position: view.position };
  const [tampering, more] = [caseWords("TAMPERING"), besideCause(story)];
  // How it ended the cause says better, and mostly in the same words.
  const isSilent = SILENT.has(state) || (OUTCOMES.has(view.state) && causeOf(story, link.name) !== null);
  const label = stateWords(state, values);
  const partial = view.text === "" ? (link.partial.get(story.id) ?? "") : "";
  return (
    <article class="task" data-state={state} data-task={story.id} aria-label={story.words || t("thread.scheduled", values)} tabIndex={-1}>
      <div class="mine">
        <p class="words">{story.words || t("thread.scheduled", values)}</p>
        {story.files.map((file) => <p key={hex(file.fileId)} class="file small"><Icon name="file" /> {file.name} · {bytesWords(Number(file.size))}</p>)}
        <p class="small where">{t(view.scheduled ? "thread.scheduled" : "thread.to", values)} · <time>{timeWords(story.atMs)}</time></p>
      </div>
      <div class="theirs">
        <p class={`state ${state}`}><span class="chip">{label.word}</span>{isSilent ? null : <span class="small"> {label.sentence}</span>}</p>
        {view.state === "waiting" && view.waitsForAnswer ? <p class="small waits">{waits(story)}</p> : null}
        <Cause story={story} link={link} />
        {view.tampering ? <p class="trouble">{tampering.sentence} {tampering.advice}</p> : null}
        <Steps steps={story.steps} />
        <Passing story={story} link={link} />
        {partial === "" ? null : <div class="partial" aria-label={t("thread.partial")}><Markdown text={partial} /></div>}
        {view.text === "" ? null : <div class="result"><Markdown text={view.text} /></div>}
        {more !== "" && more !== view.text ? <div class="said"><Markdown text={more} /></div> : null}
        {artifacts.map((file) => <Artifact key={hex(file.fileId)} file={file} link={link} />)}
        {story.answers.map((answer, at) => <p key={at} class="small answer">{answerWords(answer)}</p>)}
        {story.added.map(({ text, late }, at) => late
          ? <p key={at} class="trouble late">{line("steered_too_late", { text })}</p>
          : <p key={at} class="small added">{line("steered", { text })}</p>)}
        {asked === null ? null : <Question key={hex(asked.question.questionId)} asked={asked} taskId={story.taskId} link={link} />}
        <Acts story={story} link={link} />
      </div>
    </article>
  );
}

/** What goes without saying more than the label. */
const SILENT: ReadonlySet<string> = new Set(["done", "running", "refused", "failed", "not_sent", "asking"]);

/** Says whose answer it waits for. */
function waits({ view, waitsFor }: TaskStory): string {
  if (view.askingTaskId === "") return line("waits_for_another_phone");
  return waitsFor === "" ? line("waits_for_answer") : line("waits_for_answer_to", { text: quoted(waitsFor) });
}

/** Why it stands as it does, where there is a reason. */
function Cause({ story, link }: { story: TaskStory; link: Link }) {
  const said = causeOf(story, link.name);
  if (said === null) return null;
  return (
    <div class={story.state === "done" ? "small" : "trouble"} data-reason={story.state === "out_of_contact" ? story.view.away : story.view.reason}>
      {story.may.drop ? <strong>{caseWords("NOT_SENT").sentence} </strong> : null}{said.sentence} {said.advice}
    </div>
  );
}

function Steps({ steps }: { steps: readonly Told[] }) {
  const last = steps.at(-1);
  if (last === undefined) return null;
  return (
    <details class="steps">
      <summary><span class="small">{steps.length === 1 ? t("thread.step") : t("thread.steps", { count: steps.length })}: {stepWords(last.title)}</span></summary>
      <ol>{steps.map((step, at) => <li key={at} class="small">{stepWords(step.title)}{step.detail === "" ? null : <Markdown text={step.detail} />}</li>)}</ol>
    </details>
  );
}

function Passing({ story, link }: { story: TaskStory; link: Link }) {
  const progress = link.progress.get(story.id);
  if (progress === undefined || story.state !== "running") return null;
  const last = story.steps.at(-1);
  // Before the first step it is called by the state: the text that comes has its own name.
  return <Bar label={last === undefined ? stateWords(story.state).word : stepWords(last.title)} done={Number(progress.done)} total={Number(progress.total)} />;
}

function Acts({ story, link }: { story: TaskStory; link: Link }) {
  const [busy, setBusy] = useState(false);
  const [trouble, setTrouble] = useState<Refused | null>(null);
  const { may, taskId } = story;
  const does = (act: () => Promise<Refused | null>) => async ({ currentTarget }: Event): Promise<void> => {
    focusCard(currentTarget);
    setBusy(true);
    setTrouble(null);
    setTrouble(await act());
    setBusy(false);
  };
  if (!may.cancel && !may.resend && !may.drop && !may.dismiss) return null;
  // The card itself says what became of a task that is sent again.
  const resend = async (): Promise<null> => link.resend(taskId).then(() => null);
  return (
    <>
      <Trouble of={trouble} values={{ host: link.name }} />
      <div class="row acts">
        {may.resend ? <button type="button" class="primary" disabled={busy} onClick={does(resend)}>{t("thread.resend")}</button> : null}
        {may.drop ? <button type="button" disabled={busy} onClick={does(async () => link.putAway(taskId, "drop").then(leftCard))}>{t("thread.drop")}</button> : null}
        {may.dismiss ? <button type="button" disabled={busy} onClick={does(async () => link.putAway(taskId, "dismiss"))}>{t("thread.dismiss")}</button> : null}
        {may.cancel ? <button type="button" disabled={busy} onClick={does(async () => link.cancel(taskId))}>{t("thread.cancel")}</button> : null}
      </div>
    </>
  );
}

/** A card that is deleted takes the focus along: the thread has it then. */
function leftCard(why: Refused | null): Refused | null {
  if (why === null) document.querySelector<HTMLElement>(".scroll.thread")?.focus({ preventScroll: true });
  return why;
}
