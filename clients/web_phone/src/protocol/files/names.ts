/** What a file may be called where it arrives: a name that a peer sent leads nowhere and tricks nobody. Pure; the rules of `dispatch.files.names`. */

import { utf8 } from "../bytes.js";

const LONGEST_NAME_BYTES = 200;
const LONGEST_ENDING_BYTES = 20;
// What turns text around, shows nothing or ends a line, and what file systems mind.
const MINDED = /[\p{Cc}\p{Cs}\p{Cf}\p{Zl}\p{Zp}<>:"|?*]/gu;
/** Devices, on Windows, whatever stands behind the dot. */
const RESERVED = /^(?:con|prn|aux|nul|com[0-9]|lpt[0-9])(?:\..*)?$/i;

/** Gives the name under which a file is kept: no path, no hidden file, no sign that a person or a system minds. */
export function safeName(sent: string): string {
  const last = sent.normalize("NFC").split(/[/\\]/).at(-1) ?? "";
  const name = cut(last.replace(MINDED, "_").replace(/^[ .]+|[ .]+$/g, ""));
  if (name === "") return "file";
  return RESERVED.test(name) ? `_${name}` : name;
}

/** Cuts what is too long, and leaves the ending, which says what it is. */
function cut(name: string): string {
  if (utf8(name).length <= LONGEST_NAME_BYTES) return name;
  const dot = name.lastIndexOf(".");
  const ending = dot > 0 && utf8(name.slice(dot + 1)).length <= LONGEST_ENDING_BYTES ? name.slice(dot) : "";
  const stem = ending === "" ? name : name.slice(0, dot);
  const room = LONGEST_NAME_BYTES - utf8(ending).length;
  // What was cut in two at the end of the room is left out.
  return new TextDecoder().decode(utf8(stem).slice(0, room)).replace(/\ufffd+$/, "").replace(/[ .]+$/, "") + ending;
}
