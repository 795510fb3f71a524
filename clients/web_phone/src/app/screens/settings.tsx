/** Settings: computers, notifications, language, about, and the ways out. */

import { useEffect, useState } from "preact/hooks";

import { APP_VERSION } from "../../ground/account.js";
import type { Refused } from "../../protocol/errors.js";
import { bundleDigest } from "../digest.js";
import type { Called, Uncalled } from "../model/calling.js";
import type { Link, Standing } from "../model/link.js";
import type { Phone } from "../model/phone.js";
import { Permitted } from "../parts/permitted.js";
import { Presence } from "../parts/presence.js";
import { Frame, tried, Trouble } from "../parts/small.js";
import { Sure } from "../parts/sure.js";
import { go } from "../route.js";
import { LANGUAGES, type ScreenKey, speak, t, why } from "../words.js";
import { Reason } from "../../protocol/dispatch/api/error/v1/error_pb.js";

/** The screen. */
export function Settings({ phone, back }: { phone: Phone; back: () => void }) {
  return (
    <Frame title={<h1 tabIndex={-1}>{t("settings.title")}</h1>} back={back}>
      <div class="scroll page">
        <section aria-labelledby="set-hosts">
          <h2 id="set-hosts">{t("settings.hosts")}</h2>
          {phone.links.value.length === 0 ? <p class="hint">{t("hosts.none")}</p> : phone.links.value.map((link) => <HostSettings key={link.id} phone={phone} link={link} />)}
        </section>
        <Notifications phone={phone} />
        <LanguageChoice phone={phone} />
        <About phone={phone} />
      </div>
    </Frame>
  );
}

/** In which what a computer said last of its sleep is so now. */
const HERE: ReadonlySet<Standing> = new Set(["reachable", "unsteady", "reconnecting"]);

function HostSettings({ phone, link }: { phone: Phone; link: Link }) {
  link.watch();
  const [name, setName] = useState(link.name);
  const [trouble, setTrouble] = useState<Refused | null>(null);
  const [stuck, setStuck] = useState(false); // the service did not end the pairing: it can be removed here all the same
  const [{ awake, permissions }, setSaid] = useState<Awaited<ReturnType<Link["lastWord"]>>>({ awake: null, permissions: null });
  const [holes, setHoles] = useState(0);
  useEffect(() => {
    void link.lastWord().then(setSaid);
    void link.holes().then(setHoles);
  }, [link.changed.value]);
  // Of one that is off or gone it would say nothing.
  const held = awake === null || !HERE.has(link.standing) ? "" : awake.reason !== Reason.UNSPECIFIED ? why(awake.reason).sentence : awake.held ? t("settings.awake") : "";
  // Without a name of its own it has the computer's again.
  const rename = async (): Promise<void> => link.rename(name.trim()).then(() => { setName(link.name); });
  return (
    <div class="card host-settings" data-host={link.known.hostName}>
      <Presence link={link} says="both" />
      {held === "" ? null : <p class="small hint">{held}</p>}
      {holes === 0 ? null : <p class="small holes">{t("settings.holes", { count: holes })}</p>}
      {permissions === null || link.over !== null ? null : <Permitted permissions={permissions} />}
      <form class="row" onSubmit={(event) => { event.preventDefault(); void tried(rename, setTrouble); }}>
        <label class="grow">{t("settings.name")}<input value={name} maxLength={64} autocomplete="off" onInput={({ currentTarget }) => { setName(currentTarget.value); }} /></label>
        <button type="submit" disabled={name.trim() === link.name}>{t("settings.rename")}</button>
      </form>
      <Trouble of={trouble} values={{ host: link.name }} />
      {link.over === null
        ? <Sure label={t("settings.unpair")} question={t("settings.unpair_sure", { host: link.name })} act={async () => phone.unpair(link).then(focusTitle)} failed={(no) => { setTrouble(no); setStuck(no !== null); }} />
        : null}
      {link.over !== null || stuck ? <button type="button" class="danger" onClick={() => void tried(async () => phone.remove(link).then(focusTitle), setTrouble)}>{t("settings.remove")}</button> : null}
    </div>
  );
}

/** The part that had the focus is gone with its computer. */
function focusTitle(): void {
  document.querySelector<HTMLElement>("main h1")?.focus();
}

function Notifications({ phone }: { phone: Phone }) {
  const chosen = phone.preferences.chosen.value;
  const [trouble, setTrouble] = useState<Refused | null>(null);
  const turn = async (on: boolean): Promise<void> => (on ? phone.calling.turnOn() : phone.calling.turnOff());
  const not = NOT_CALLED[phone.calling.called.value];
  return (
    <section aria-labelledby="set-notify">
      <h2 id="set-notify">{t("settings.notify")}</h2>
      <label class="check"><input type="checkbox" checked={chosen.notify} onChange={({ currentTarget: { checked } }) => void tried(async () => turn(checked), setTrouble)} /> {t("settings.notify_on")}</label>
      <p class="small hint">{t(chosen.answerThere ? "settings.answer_there_what" : "settings.notify_what")}</p>
      {not === undefined ? null : <p class="trouble" role="alert">{t(not)}</p>}
      {phone.links.value.map((link) => <Uncalls key={link.id} phone={phone} link={link} />)}
      <Trouble of={trouble} />
      {chosen.notify ? <>
        <label class="check"><input type="checkbox" checked={chosen.answerThere} onChange={({ currentTarget: { checked } }) => void tried(async () => phone.calling.showQuestions(checked), setTrouble)} /> {t("settings.answer_there")}</label>
        <QuietHours phone={phone} />
      </> : null}
    </section>
  );
}

const NOT_CALLED: Partial<Record<Called, ScreenKey>> = {
  denied: "settings.notify_denied", unsupported: "settings.notify_unsupported", no_service: "settings.notify_no_service",
};

/** Says that one computer can't call, and why. */
function Uncalls({ phone, link }: { phone: Phone; link: Link }) {
  link.watch();
  const uncalled = phone.calling.uncalled(link);
  return uncalled === null ? null : <p class="trouble" role="status" data-host={link.known.hostName}>{uncalledWords(uncalled, link.name)}</p>;
}

function uncalledWords(uncalled: Uncalled, host: string): string {
  if (uncalled === "no_push") return t("settings.notify_no_push", { host });
  if (uncalled === "other_key") return t("settings.notify_other_key", { host });
  return `${t("settings.notify_not_by", { host })} ${why(uncalled, { host }).sentence}`;
}

function QuietHours({ phone }: { phone: Phone }) {
  const { quiet, quietFrom, quietTo, questionsRing } = phone.preferences.chosen.value;
  const choose = phone.preferences.choose.bind(phone.preferences);
  return (
    <>
      <label class="check"><input type="checkbox" checked={quiet} onChange={({ currentTarget }) => { choose({ quiet: currentTarget.checked }); }} /> {t("settings.quiet")}</label>
      {quiet ? <div class="row">
        <label>{t("settings.quiet_from")}<input type="time" required value={clockOf(quietFrom)} onChange={({ currentTarget }) => { choose({ quietFrom: minutesOf(currentTarget.value, quietFrom) }); }} /></label>
        <label>{t("settings.quiet_to")}<input type="time" required value={clockOf(quietTo)} onChange={({ currentTarget }) => { choose({ quietTo: minutesOf(currentTarget.value, quietTo) }); }} /></label>
      </div> : null}
      {quiet ? <label class="check"><input type="checkbox" checked={questionsRing} onChange={({ currentTarget }) => { choose({ questionsRing: currentTarget.checked }); }} /> {t("settings.questions_ring")}</label> : null}
    </>
  );
}

function LanguageChoice({ phone }: { phone: Phone }) {
  const { language } = phone.preferences.chosen.value;
  const choose = (wanted: string): void => {
    phone.preferences.choose({ language: wanted });
    void speak(wanted);
  };
  return (
    <section>
      <label class="heading">{t("settings.language")}
        <select value={language} onChange={({ currentTarget }) => { choose(currentTarget.value); }}>
          <option value="">{t("settings.language_auto")}</option>
          {LANGUAGES.map(({ language: one, name }) => <option key={one} value={one}>{name}</option>)}
        </select>
      </label>
    </section>
  );
}

function About({ phone }: { phone: Phone }) {
  const [digest, setDigest] = useState("");
  const [trouble, setTrouble] = useState<Refused | null>(null);
  useEffect(() => { void bundleDigest().then(setDigest); }, []);
  const who = phone.signedIn.value;
  return (
    <section aria-labelledby="set-about">
      <h2 id="set-about">{t("settings.about")}</h2>
      {who === null ? null : <p>{t("settings.account", { account: who.account, server: who.service })}<br />{t("settings.device", { name: who.deviceName })}</p>}
      <p>{t("settings.version", { version: APP_VERSION })}</p>
      {digest === "" ? null : <><p class="small">{t("settings.digest")}</p><p class="digest"><code>{digest}</code></p><p class="small hint">{t("settings.digest_why")}</p></>}
      <button type="button" onClick={() => void tried(async () => phone.signOut().then(() => { go({ at: "hosts" }, { instead: true }); }), setTrouble)}>{t("settings.sign_out")}</button>
      <Trouble of={trouble} />
      <Sure label={t("settings.reset")} question={t("settings.reset_sure")} act={async () => phone.reset()} failed={setTrouble} />
    </section>
  );
}

function clockOf(minutes: number): string {
  return `${String(Math.floor(minutes / 60)).padStart(2, "0")}:${String(minutes % 60).padStart(2, "0")}`;
}

function minutesOf(written: string, otherwise: number): number {
  const [hours, minutes] = written.split(":").map(Number);
  return hours === undefined || minutes === undefined || Number.isNaN(hours + minutes) ? otherwise : hours * 60 + minutes;
}
