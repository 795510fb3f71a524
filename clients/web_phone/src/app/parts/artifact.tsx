/** A file that a task made: fetched when the person says so, with a bar, then saved under its name. */

import { useEffect, useRef, useState } from "preact/hooks";

import type { Attachment } from "../../protocol/dispatch/api/thread/v1/thread_pb.js";
import type { Refused } from "../../protocol/errors.js";
import { safeName } from "../../protocol/files/names.js";
import { type Link, refused } from "../model/link.js";
import { bytesWords, t } from "../words.js";
import { say } from "./heard.js";
import { Bar, Icon, Trouble } from "./small.js";

/** A line with a button. */
export function Artifact({ file, link }: { file: Attachment; link: Link }) {
  const [at, setAt] = useState<number | null>(null);
  const [trouble, setTrouble] = useState<Refused | null>(null);
  const [here, setHere] = useState("");
  const stop = useRef<AbortController | null>(null);
  const [row, saving] = [useRef<HTMLDivElement>(null), useRef<HTMLAnchorElement>(null)];
  const wanted = useRef(false); // the focus was on what is gone now
  const name = safeName(file.name);
  useEffect(() => { if (here !== "" && wanted.current) saving.current?.focus({ preventScroll: true }); }, [here]);
  useEffect(() => () => { stop.current?.abort(); if (here !== "") URL.revokeObjectURL(here); }, [here]);

  const get = async (): Promise<void> => {
    const ending = (stop.current = new AbortController());
    setTrouble(null);
    setAt(0);
    try {
      const blob = await link.fetch(file, (done, total) => { setAt(total === 0 ? 100 : Math.floor((100 * done) / total)); }, ending.signal);
      if (ending.signal.aborted) return;
      const url = URL.createObjectURL(blob);
      wanted.current = row.current?.contains(document.activeElement) ?? false;
      setHere(url);
      save(url, name);
      say(t("file.here", { name }));
    } catch (problem) {
      if (!ending.signal.aborted) setTrouble(refused(problem));
    } finally {
      setAt(null);
    }
  };
  return (
    <div class="artifact" data-file={file.name}>
      <div class="row" ref={row}>
        <Icon name="file" />
        <span class="name">{name} <span class="small hint">{bytesWords(Number(file.size))}</span></span>
        {at !== null ? <button type="button" aria-label={t("file.stop_of", { name })} onClick={() => stop.current?.abort()}>{t("file.stop")}</button>
          : here !== "" ? <a ref={saving} class="button" aria-label={t("file.save_of", { name })} href={here} download={name}>{t("file.save")}</a>
            : <button type="button" aria-label={t("file.get_of", { name })} onClick={() => void get()}>{t("file.get")}</button>}
      </div>
      {at === null ? null : <Bar label={t("file.getting", { name, percent: at })} done={at} total={100} />}
      <Trouble of={trouble} values={{ host: link.name }} />
    </div>
  );
}

function save(url: string, name: string): void {
  const link = document.createElement("a");
  [link.href, link.download] = [url, name];
  link.click();
}
