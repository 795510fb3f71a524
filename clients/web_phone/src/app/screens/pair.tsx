/** Pairing: a code by the camera or as a link, a number that both devices show, and the person's yes. */

import { useEffect, useRef, useState } from "preact/hooks";

import type { Refused } from "../../protocol/errors.js";
import { watchForCode } from "../../ground/camera.js";
import { refused } from "../model/link.js";
import type { Phone } from "../model/phone.js";
import { Frame, Icon, Trouble } from "../parts/small.js";
import { go } from "../route.js";
import { t } from "../words.js";

/** The screen. `link` is a code that the page was opened with. */
export function Pair({ phone, link, back }: { phone: Phone; link: string; back: () => void }) {
  const [busy, setBusy] = useState(false);
  const [trouble, setTrouble] = useState<Refused | null>(null);
  const [saidYes, setSaidYes] = useState("");
  const [scans, setScans] = useState(false);
  const [pasted, setPasted] = useState("");
  const comparing = phone.comparing.value;

  const going = useRef(false); // one code after the other: a link may be opened into the page while another is worked on
  const begin = async (written: string): Promise<void> => {
    if (going.current) return;
    going.current = true;
    setScans(false);
    setBusy(true);
    setTrouble(null);
    try {
      const paired = await phone.pair(written);
      go({ at: "thread", id: paired.id }, { instead: true });
    } catch (problem) {
      setTrouble(refused(problem));
    } finally {
      going.current = false;
      setBusy(false);
      setSaidYes("");
    }
  };
  useEffect(() => { if (link !== "") void begin(link); }, [link]);

  return (
    <Frame title={<h1 tabIndex={-1}>{t("pair.title")}</h1>} back={back}>
      <div class="scroll page">
        <Trouble of={trouble} />
        {comparing !== null ? <Compare code={comparing.code} peer={comparing.peer} answer={(same) => { if (same) setSaidYes(comparing.peer); comparing.answer(same); }} />
          : saidYes !== "" ? <Waits words={t("pair.wait", { peer: saidYes })} />
            : busy ? <Waits words={t("pair.working")} />
              : <Ways scans={scans} setScans={setScans} pasted={pasted} found={(written) => void begin(written)} paste={(written) => { setPasted(written); void begin(written); }} />}
      </div>
    </Frame>
  );
}

interface WaysProps {
  scans: boolean;
  setScans: (on: boolean) => void;
  found: (written: string) => void;
  /** What was pasted before and did not do; it can be mended. */
  pasted: string;
  paste: (written: string) => void;
}

function Ways({ scans, setScans, found, pasted, paste }: WaysProps) {
  const submit = (event: SubmitEvent): void => {
    event.preventDefault();
    const written = new FormData(event.currentTarget as HTMLFormElement).get("link");
    if (typeof written === "string") paste(written);
  };
  return (
    <>
      <p>{t("pair.how")}</p>
      {scans ? <Scan found={found} stop={() => { setScans(false); }} />
        : <button type="button" class="primary wide" onClick={() => { setScans(true); }}><Icon name="camera" /> {t("pair.camera")}</button>}
      <form onSubmit={submit} class="card">
        <label>{t("pair.paste")}
          <input name="link" required defaultValue={pasted} autocomplete="off" autocapitalize="none" spellcheck={false} placeholder="dispatch:pair#…" />
        </label>
        <button type="submit" class="wide">{t("pair.use")}</button>
      </form>
    </>
  );
}

function Scan({ found, stop }: { found: (written: string) => void; stop: () => void }) {
  const video = useRef<HTMLVideoElement>(null);
  const [works, setWorks] = useState(true);
  useEffect(() => {
    const gone = new AbortController();
    const watch = async (): Promise<void> => {
      if (video.current !== null) await watchForCode(video.current, found, gone.signal);
    };
    watch().catch(() => { gone.abort(); setWorks(false); });
    return () => { gone.abort(); };
  }, []);
  if (!works) return <p class="trouble" role="alert">{t("pair.no_camera")}</p>;
  return (
    <div class="scan">
      <video ref={video} muted playsInline aria-label={t("pair.looking")} />
      <p role="status" class="small">{t("pair.looking")}</p>
      <button type="button" class="wide" ref={focused} onClick={stop}>{t("pair.stop")}</button>
    </div>
  );
}

/** What goes on without the person; it has the focus, since what they pressed is gone. */
function Waits({ words }: { words: string }) {
  return <h2 tabIndex={-1} ref={focused} class="lead">{words}</h2>;
}

function focused(shown: HTMLElement | null): void {
  shown?.focus({ preventScroll: true });
}

function Compare({ code, peer, answer }: { code: string; peer: string; answer: (same: boolean) => void }) {
  return (
    <div class="card compare" role="group" aria-labelledby="compare">
      <h2 id="compare" tabIndex={-1} ref={focused}>{t("pair.compare", { peer })}</h2>
      <output class="code" aria-label={code.split("").join(" ")}>{code}</output>
      <p class="hint">{t("pair.compare_how")}</p>
      <div class="row">
        <button type="button" onClick={() => { answer(false); }}>{t("pair.refuse")}</button>
        <button type="button" class="primary" onClick={() => { answer(true); }}>{t("pair.same")}</button>
      </div>
    </div>
  );
}
