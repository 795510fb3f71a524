/** How a host is, and why: a dot for who sees it, words for everybody. */

import type { Link, Standing } from "../model/link.js";
import { hostWords, t, timeWords, why } from "../words.js";

const DOTS: Readonly<Record<Standing, string>> = {
  over: "off", stopped: "off", connecting: "wait", no_network: "off", reachable: "on", unsteady: "wait", reconnecting: "wait", absent: "off",
};

/** One line: how it is; what to do about that, for where the first is said already; or both. */
export function Presence({ link, says = "how" }: { link: Link; says?: keyof typeof SAYS }) {
  link.watch();
  const { standing } = link;
  return (
    <span class="presence small" data-standing={standing}>
      <span class={`dot ${DOTS[standing]}`} aria-hidden="true" />
      <span>{SAYS[says](link)}</span>
    </span>
  );
}

const SAYS = { how: label, what_to_do: advice, both: whole } as const;

function label(link: Link): string {
  switch (link.standing) {
    case "over": return t("host.over");
    case "stopped": return why(link.cause, { host: link.name }).sentence;
    case "connecting": return t("host.connecting");
    case "no_network": return t("host.no_network");
    case "unsteady": return t("host.unsteady");
    case "reachable":
    case "reconnecting": return hostWords(link.standing).word;
    case "absent": {
      const since = Number(link.presence?.sinceMs ?? 0n);
      const { sentence } = why(link.cause, { host: link.name });
      return since > 0 ? `${sentence.replace(/\.$/, "")} (${t("host.since", { time: timeWords(since) })}).` : sentence;
    }
  }
}

/** Says what `label` does not. */
function advice(link: Link): string {
  return link.standing === "absent" || link.standing === "stopped" ? why(link.cause, { host: link.name }).advice : whole(link);
}

/** Says it in whole sentences, with what to do. */
function whole(link: Link): string {
  const { sentence, advice } = why(link.cause, { host: link.name });
  switch (link.standing) {
    case "absent": return `${label(link)} ${advice}`;
    case "stopped": case "over": case "no_network": return `${sentence} ${advice}`;
    default: return label(link);
  }
}
