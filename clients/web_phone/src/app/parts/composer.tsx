/** Where a person writes: words, files, and send. Works without a network; what is sent then is kept as *nothing was sent*. */

import { useRef } from "preact/hooks";

import { fromHex } from "../../protocol/bytes.js";
import type { TaskId } from "../../protocol/ids.js";
import { refusedHere } from "../../protocol/thread/commands.js";
import type { Link } from "../model/link.js";
import type { Bringing } from "../model/outgoing.js";
import { bytesWords, t } from "../words.js";
import { Bar, Icon, Trouble } from "./small.js";

/** In which a task's agent works, or waits for an answer, and more can be said to it. */
const TAKES_WORDS: ReadonlySet<string> = new Set(["running", "asking"]);

/** The foot of a thread. `sent` hears that a task has its card. What stands in the box outlives this screen: it is the link's. */
export function Composer({ link, sent }: { link: Link; sent: () => void }) {
  const { outgoing } = link;
  const { words, files } = outgoing.draft.value;
  const picker = useRef<HTMLInputElement>(null);
  const box = useRef<HTMLTextAreaElement>(null); // where the focus goes from a button that has nothing more to do
  const running = link.thread.flatMap((item) => ("task" in item && TAKES_WORDS.has(item.task.state) ? [item.task] : [])).at(-1);

  const send = async (): Promise<void> => {
    if (words.trim() === "") return;
    outgoing.trouble.value = refusedHere(words);
    const byKeyboard = isAtButton(); // which loses the focus while it can't be pressed
    if (outgoing.trouble.value !== null || !(await outgoing.sendDraft())) return; // words and files stay here
    sent();
    if (byKeyboard) box.current?.focus();
  };


  const steer = async (): Promise<void> => {
    if (running === undefined || words.trim() === "") return;
    const byKeyboard = isAtButton();
    const why = await link.steer(running.taskId, words);
    outgoing.trouble.value = why;
    if (why !== null) return;
    outgoing.taken(words);
    if (byKeyboard) box.current?.focus();
  };

  return (
    <form class="composer" onSubmit={(event) => { event.preventDefault(); void send(); }}>
      <Trouble of={outgoing.trouble.value} values={{ host: link.name }} />
      {outgoing.bringing.value.map((one) => <OnTheWay key={one.task} of={one} link={link} />)}
      {files.length === 0 ? null
        : <ul class="files">{files.map((file) => <li key={`${file.name}/${file.size}`} class="small">
          <Icon name="file" /> <span class="name">{file.name} · {bytesWords(file.size)}</span>
          <button type="button" class="plain" aria-label={t("compose.remove", { name: file.name })} onClick={() => { outgoing.write({ files: files.filter((one) => one !== file) }); if (isAtButton()) box.current?.focus(); }}><Icon name="close" /></button>
        </li>)}</ul>}
      {running !== undefined && words.trim() !== "" && files.length === 0
        ? <button type="button" class="small steer" onClick={() => void steer()}>{t("compose.steer")}</button> : null}
      <div class="row">
        <input ref={picker} type="file" multiple hidden tabIndex={-1} aria-label={t("compose.attach")}
          onChange={({ currentTarget }) => { outgoing.write({ files: [...files, ...(currentTarget.files ?? [])] }); currentTarget.value = ""; }} />
        <button type="button" class="plain" aria-label={t("compose.attach")} onClick={() => picker.current?.click()}><Icon name="attach" /></button>
        <textarea ref={box} rows={1} aria-label={t("compose.label", { host: link.name })} placeholder={t("compose.placeholder", { host: link.name })} value={words}
          onInput={({ currentTarget }) => {
            outgoing.write({ words: currentTarget.value });
            if (currentTarget.value.trim() === "") outgoing.trouble.value = null; // it was about words that are gone
          }}
          onKeyDown={(event) => { if (event.key === "Enter" && !event.shiftKey && !event.isComposing) { event.preventDefault(); void send(); } }} />
        <button type="submit" class="primary round" aria-label={t("compose.send")} disabled={words.trim() === "" || outgoing.sending.value}><Icon name="send" /></button>
      </div>
    </form>
  );
}

/** Tells whether somebody who uses a keyboard is at a button. Only they are led to the box: on a phone it would open the keys on the screen, over what comes. */
function isAtButton(): boolean {
  return document.activeElement?.matches("button:focus-visible") ?? false;
}

/** A file of a task on its way, which can be stopped: the task is then not sent. */
function OnTheWay({ of: { task, name, percent }, link }: { of: Bringing; link: Link }) {
  return (
    <div class="row on-the-way">
      <Bar label={t("compose.sending_file", { name, host: link.name, percent })} done={percent} total={100} />
      <button type="button" class="small" aria-label={t("file.stop_of", { name })} onClick={() => { link.outgoing.stop(fromHex(task) as TaskId); }}>{t("file.stop")}</button>
    </div>
  );
}
