/** Where a person writes: words, files, and send. Works without a network; what is sent then is kept as *nothing was sent*. */

import { useRef, useState } from "preact/hooks";

import type { Attachment } from "../../protocol/dispatch/api/thread/v1/thread_pb.js";
import type { Refused } from "../../protocol/errors.js";
import { type Link, refused } from "../model/link.js";
import { refusedHere } from "../../protocol/thread/commands.js";
import { bytesWords, t } from "../words.js";
import { Bar, Icon, Trouble } from "./small.js";

/** In which a task's agent works, or waits for an answer, and more can be said to it. */
const TAKES_WORDS: ReadonlySet<string> = new Set(["running", "asking"]);

/** The foot of a thread. `sent` hears that something went out. */
export function Composer({ link, sent }: { link: Link; sent: () => void }) {
  const [words, setWords] = useState("");
  const [files, setFiles] = useState<readonly File[]>([]);
  const [moving, setMoving] = useState<{ name: string; percent: number } | null>(null);
  const [trouble, setTrouble] = useState<Refused | null>(null);
  const picker = useRef<HTMLInputElement>(null);
  const box = useRef<HTMLTextAreaElement>(null); // where the focus goes from a button that has nothing more to do
  const brought = useRef(new Map<File, Attachment>()); // what the computer has already: a second try does not bring it again
  const running = link.thread.flatMap((item) => ("task" in item && TAKES_WORDS.has(item.task.state) ? [item.task] : [])).at(-1);

  const send = async (): Promise<void> => {
    if (words.trim() === "" || moving !== null) return;
    const never = refusedHere(words);
    setTrouble(never);
    if (never !== null) return; // the words stay here
    try {
      const attachments = await bring();
      const text = words;
      setWords("");
      setFiles([]);
      void link.send(text, attachments).then((why) => {
        if (why === null) for (const file of files) brought.current.delete(file);
        else giveBack(text, why);
      });
      sent();
      focusBox();
    } catch (problem) {
      setTrouble(refused(problem)); // words and files stay here
    } finally {
      setMoving(null);
    }
  };

  /** There is no card that has the words: they come back, before what was written meanwhile. */
  const giveBack = (text: string, why: Refused): void => {
    setTrouble(why);
    setWords((now) => (now === "" ? text : `${text}\n${now}`));
    setFiles((now) => [...files, ...now]);
  };

  // For who uses a keyboard: on a phone it would open the one on the screen, over what comes.
  const focusBox = (): void => { if (document.activeElement?.matches("button:focus-visible") ?? false) box.current?.focus(); };

  const bring = async (): Promise<Attachment[]> => {
    const attachments: Attachment[] = [];
    for (const file of files) {
      const known = brought.current.get(file);
      const told = (done: number, total: number): void => { setMoving({ name: file.name, percent: total === 0 ? 100 : Math.floor((100 * done) / total) }); };
      if (known === undefined) told(0, 1);
      const attachment = known ?? await link.attach(file, told, new AbortController().signal);
      brought.current.set(file, attachment);
      attachments.push(attachment);
    }
    return attachments;
  };

  const steer = async (): Promise<void> => {
    if (running === undefined || words.trim() === "") return;
    const why = await link.steer(running.taskId, words);
    setTrouble(why);
    if (why !== null) return;
    setWords("");
    focusBox();
  };

  return (
    <form class="composer" onSubmit={(event) => { event.preventDefault(); void send(); }}>
      <Trouble of={trouble} values={{ host: link.name }} />
      {files.length === 0 ? null
        : <ul class="files">{files.map((file) => <li key={`${file.name}/${file.size}`} class="small">
          <Icon name="file" /> <span class="name">{file.name} · {bytesWords(file.size)}</span>
          <button type="button" class="plain" aria-label={t("compose.remove", { name: file.name })} disabled={moving !== null} onClick={() => { setFiles(files.filter((one) => one !== file)); focusBox(); }}><Icon name="close" /></button>
        </li>)}</ul>}
      {moving === null ? null : <Bar label={t("compose.sending_file", { name: moving.name, host: link.name, percent: moving.percent })} done={moving.percent} total={100} />}
      {running !== undefined && words.trim() !== "" && files.length === 0
        ? <button type="button" class="small steer" onClick={() => void steer()}>{t("compose.steer")}</button> : null}
      <div class="row">
        <input ref={picker} type="file" multiple hidden tabIndex={-1} aria-label={t("compose.attach")}
          onChange={({ currentTarget }) => { setFiles([...files, ...(currentTarget.files ?? [])]); currentTarget.value = ""; }} />
        <button type="button" class="plain" aria-label={t("compose.attach")} onClick={() => picker.current?.click()}><Icon name="attach" /></button>
        <textarea ref={box} rows={1} aria-label={t("compose.label", { host: link.name })} placeholder={t("compose.placeholder", { host: link.name })} value={words}
          onInput={({ currentTarget }) => {
            setWords(currentTarget.value);
            if (currentTarget.value.trim() === "") setTrouble(null); // it was about words that are gone
          }}
          onKeyDown={(event) => { if (event.key === "Enter" && !event.shiftKey && !event.isComposing) { event.preventDefault(); void send(); } }} />
        <button type="submit" class="primary round" aria-label={t("compose.send")} disabled={words.trim() === "" || moving !== null}><Icon name="send" /></button>
      </div>
    </form>
  );
}
