/** The screens, and which of them is shown. On a wide screen computers stand beside what was chosen. */

import { useEffect, useRef } from "preact/hooks";

import type { Phone } from "./model/phone.js";
import { Heard } from "./parts/heard.js";
import { Unbroken } from "./parts/unbroken.js";
import { back, go, route } from "./route.js";
import { Hosts } from "./screens/hosts.js";
import { Pair } from "./screens/pair.js";
import { Settings } from "./screens/settings.js";
import { SignIn } from "./screens/sign_in.js";
import { Thread } from "./screens/thread.js";
import { later, takeUpdate, type Update, update } from "./updates.js";
import { t } from "./words.js";

/** Everything on the page. */
export function App({ phone }: { phone: Phone }) {
  return (
    <>
      <Notices phone={phone} />
      <Unbroken away={() => { go({ at: "hosts" }); }}><Stage phone={phone} /></Unbroken>
      <Heard />
    </>
  );
}

function Stage({ phone }: { phone: Phone }) {
  switch (phone.stage.value) {
    case "starting": return <Plain text={t("app.starting")} />;
    case "no_keys": return <Plain text={t("app.no_keys")} />;
    case "no_store": return <Plain text={t("app.no_store")} />;
    case "elsewhere": return <Plain text={t("app.elsewhere")} act={{ label: t("app.use_here"), do: () => void phone.start({ takeOver: true }) }} />;
    case "signed_out": return <SignIn phone={phone} />;
    case "ready": return <Screens phone={phone} />;
  }
}

function Screens({ phone }: { phone: Phone }) {
  const now = route.value;
  const screens = useRef<HTMLDivElement>(null);
  const name = now.at === "thread" ? now.id : now.at;
  // Who can't see that the screen is another one hears its title, unless something on it has the focus already.
  useEffect(() => {
    const main = screens.current?.querySelector("main") ?? null;
    if (main?.contains(document.activeElement) !== true) main?.querySelector<HTMLElement>("h1, h2")?.focus({ preventScroll: true });
  }, [name]);
  useEffect(() => { phone.showing(now.at === "thread" ? now.id : ""); }, [name]);
  const chosen = now.at === "thread" ? phone.links.value.find(({ id }) => id === now.id) : undefined;
  // The computers are what the page is about until something is chosen; then they are the way to something else.
  const [Side, Main] = now.at === "hosts" ? (["main", "section"] as const) : (["nav", "main"] as const);
  return (
    <div class="screens" data-at={now.at} ref={screens}>
      <Side class="side" aria-label={t("hosts.title")}><Hosts phone={phone} chosen={chosen?.id ?? ""} /></Side>
      <Main class="main" aria-label={Main === "section" ? "Dispatch" : undefined}>
        {now.at === "pair" ? <Pair phone={phone} link={now.link} back={back} />
          : now.at === "settings" ? <Settings phone={phone} back={back} />
            : chosen !== undefined ? <Thread key={chosen.id} link={chosen} back={back} />
              // With none there is nothing to choose, and the other side says what to do.
              : phone.links.value.length > 0 ? <p class="hint middle">{t("hosts.pick")}</p> : null}
      </Main>
    </div>
  );
}

function Notices({ phone }: { phone: Phone }) {
  return (
    <div class="notices" role="status" aria-live="polite">
      {phone.online.value ? null : <p class="notice warn">{t("app.no_network")}</p>}
      <OtherVersion stands={update.value} />
    </div>
  );
}

function OtherVersion({ stands }: { stands: Update }) {
  if (stands === "none") return null;
  if (stands === "coming") return <p class="notice">{t("app.getting_version")}</p>;
  return (
    <p class="notice">{t(stands === "broken" ? "app.version_broken" : "app.new_version")} <button type="button" onClick={() => void takeUpdate()}>{t("app.take_version")}</button>
      <button type="button" class="plain" onClick={later}>{t("app.later")}</button></p>
  );
}

function Plain({ text, act }: { text: string; act?: { label: string; do(): void } }) {
  return (
    <main class="middle">
      <h1 class="brand">Dispatch</h1>
      <p>{text}</p>
      {act === undefined ? null : <button type="button" class="primary" onClick={() => { act.do(); }}>{act.label}</button>}
    </main>
  );
}

