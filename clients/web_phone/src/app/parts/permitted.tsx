/** What agents may do on a computer, as it said last: the same as its own page and the command line list. docs/permissions.md. */

import { type Permission, PermissionKind, type Permissions } from "../../protocol/dispatch/api/thread/v1/thread_pb.js";
import type { PageKey } from "../../words/keys.js";
import { may, timeWords } from "../words.js";

/** The list; folded, because it may be long. */
export function Permitted({ permissions: { permissions, always, leftOut } }: { permissions: Permissions }) {
  return (
    <details class="permitted">
      <summary class="small">{may("permissions")}</summary>
      <ul>
        {permissions.map((one, at) => <li key={at} class="small">{words(one)}</li>)}
        {always.map(({ rule, by }, at) => <li key={at} class="small">{may("may_always", { name: rule, by })}</li>)}
        {leftOut === 0 ? null : <li class="small">{may("may_left_out", { count: leftOut })}</li>}
      </ul>
    </details>
  );
}

function words({ kind, name, write, withoutSandbox, endsAtMs }: Permission): string {
  const said = may(keyOf(kind, write, withoutSandbox), { name });
  return endsAtMs === 0n ? said : `${said}, ${may("until", { time: timeWords(Number(endsAtMs)) })}`;
}

function keyOf(kind: PermissionKind, write: boolean, unconfined: boolean): PageKey {
  switch (kind) {
    case PermissionKind.FOLDER: return write ? "may_change" : "may_read";
    case PermissionKind.TERMINAL: return unconfined ? "may_unconfined" : "may_terminal";
    case PermissionKind.NETWORK: return "may_network";
    case PermissionKind.BROWSER: return "may_browser";
    case PermissionKind.DESKTOP: return "may_desktop";
    case PermissionKind.CONNECTOR: return "may_connector";
    default: return "may_unknown"; // of a later version
  }
}
