/** The thread with one computer: what was asked, what came of it, and where to write the next. */

import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";

import { Reason } from "../../protocol/dispatch/api/error/v1/error_pb.js";
import { word } from "../../protocol/errors.js";
import type { Link, Standing } from "../model/link.js";
import { type Item, saysWhyAway } from "../model/story.js";
import { Composer } from "../parts/composer.js";
import { useHeard } from "../parts/heard.js";
import { Presence } from "../parts/presence.js";
import { Frame, Icon } from "../parts/small.js";
import { TaskCard } from "../parts/task_card.js";
import { useTapped } from "../parts/tapped.js";
import { markWords, t, timeWords } from "../words.js";

/** So many items are laid out at once; more on request. */
const AT_ONCE = 60;
const NEAR_PX = 120;
const GONE: ReadonlySet<Standing> = new Set(["absent", "over", "stopped", "no_network"]);
/** Of these a card may say all that there is to say. */
const OF_CARDS: ReadonlySet<Standing> = new Set(["absent", "no_network"]);

/** The screen. */
export function Thread({ link, back }: { link: Link; back: () => void }) {
  link.watch();
  useHeard(link);
  const [shown, setShown] = useState(AT_ONCE);
  const { box, away, toNewest, left } = useNewest();
  useTapped(link, { box, show: setShown, left });
  const items = link.thread.slice(-shown);
  return (
    <Frame title={<div><h1 tabIndex={-1}>{link.name}</h1><Presence link={link} /></div>} back={back}>
      <div class="scroll thread" ref={box} role="log" aria-live="off" aria-label={t("thread.label", { host: link.name })} tabIndex={0}>
        {GONE.has(link.standing) && !(OF_CARDS.has(link.standing) && saysWhyAway(link.thread, word(link.cause))) ? <div class="notice warn"><Presence link={link} says="what_to_do" />
          {link.standing === "stopped" ? <button type="button" onClick={() => void link.open()}>{t("thread.connect")}</button> : null}
          {link.cause === Reason.DEVICE_REVOKED ? <button type="button" onClick={() => { link.signInAgain(); }}>{t("sign_in.do")}</button> : null}</div> : null}
        {link.thread.length > shown ? <button type="button" class="wide" onClick={() => { setShown(shown + AT_ONCE); }}>{t("thread.more")}</button> : null}
        {items.some((item) => "task" in item) ? null : <p class="hint middle">{t("thread.empty", { host: link.name })}</p>}
        {items.map((item) => <Line key={keyOf(item)} item={item} link={link} />)}
      </div>
      {away ? <button type="button" class="to-newest" aria-label={t("thread.to_newest")} onClick={toNewest}><Icon name="down" /></button> : null}
      {link.over === null && link.standing !== "over" ? <Composer link={link} sent={toNewest} /> : null}
    </Frame>
  );
}

function Line({ item, link }: { item: Item; link: Link }) {
  if ("task" in item) return <TaskCard story={item.task} link={link} />;
  const { mark } = item;
  // Of what is lost nobody knows when it was; what was missed says so itself.
  const at = mark.kind === "lost" || mark.kind === "missed" ? "" : ` · ${timeWords(mark.atMs)}`;
  return <p class={`mark small ${mark.kind}`} data-mark={mark.kind}>{markWords(mark)}{at}</p>;
}

function keyOf(item: Item): string {
  return "task" in item ? item.task.id : `mark-${item.mark.number}`;
}

/** Stays at the newest while the reader is there, and leaves a reader of older things alone. */
function useNewest() {
  const box = useRef<HTMLDivElement>(null);
  const near = useRef(true);
  const [away, setAway] = useState(false);
  useEffect(() => {
    const { current } = box;
    if (current === null) return;
    let last = current.scrollTop;
    const scrolled = (): void => {
      // What grew meanwhile is no reader's doing: only who scrolls up leaves the newest.
      const up = current.scrollTop < last;
      last = current.scrollTop;
      if (current.scrollHeight - last - current.clientHeight < NEAR_PX) near.current = true;
      else if (up) near.current = false;
      setAway(!near.current);
    };
    current.addEventListener("scroll", scrolled, { passive: true });
    const follow = (): void => { if (near.current) current.scrollTo({ top: current.scrollHeight }); };
    // A keyboard that opens, or a phone that is turned, leaves less room: who was at the newest stays there; so also when a card grows.
    const resized = new ResizeObserver(follow);
    resized.observe(current);
    const grown = new MutationObserver(follow);
    grown.observe(current, { childList: true, characterData: true, subtree: true });
    return () => {
      current.removeEventListener("scroll", scrolled);
      resized.disconnect();
      grown.disconnect();
    };
  }, []);
  const toNewest = (): void => {
    near.current = true;
    setAway(false);
    box.current?.scrollTo({ top: box.current.scrollHeight });
  };
  const left = (): void => { near.current = false; };
  useLayoutEffect(() => { if (near.current) toNewest(); });
  return { box, away, toNewest, left };
}
