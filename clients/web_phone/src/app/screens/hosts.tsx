/** The computers of this phone: how each is, why, and what was last. */

import type { Link } from "../model/link.js";
import type { Phone } from "../model/phone.js";
import { Icon } from "../parts/small.js";
import { Presence } from "../parts/presence.js";
import { go } from "../route.js";
import { stateWords, t } from "../words.js";

/** The list, which is the first screen and stands at the side of a wide one. */
export function Hosts({ phone, chosen }: { phone: Phone; chosen: string }) {
  const links = phone.links.value;
  return (
    <div class="frame">
      <header class="top">
        <h1 class="title" tabIndex={-1}>{t("hosts.title")}</h1>
        <button type="button" class="plain" aria-label={t("hosts.settings")} onClick={() => { go({ at: "settings" }); }}><Icon name="settings" /></button>
      </header>
      <div class="scroll">
        {links.length === 0 ? <p class="hint">{t("hosts.none")}</p> : null}
        <ul class="hosts">{links.map((link) => <li key={link.id}><Host link={link} isChosen={link.id === chosen} /></li>)}</ul>
        <button type="button" class={links.length === 0 ? "primary wide" : "wide"} onClick={() => { go({ at: "pair", link: "" }); }}>
          <Icon name="plus" /> {t("hosts.pair")}
        </button>
      </div>
    </div>
  );
}

function Host({ link, isChosen }: { link: Link; isChosen: boolean }) {
  link.watch();
  const last = link.thread.flatMap((item) => ("task" in item ? [item.task] : [])).at(-1);
  return (
    <button type="button" class="host" aria-current={isChosen ? "page" : undefined} onClick={() => { go({ at: "thread", id: link.id }); }}>
      <span class="row"><strong class="name">{link.name}</strong>{link.waiting > 0 ? <span class="badge">{t("hosts.asks")}</span> : null}</span>
      <Presence link={link} />
      {last === undefined ? null
        : <span class="small last">{last.words || t("thread.scheduled", { host: link.name })} · {stateWords(last.state, { host: link.name }).word}</span>}
    </button>
  );
}
