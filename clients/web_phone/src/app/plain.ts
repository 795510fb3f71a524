/**
 * Makes what a stranger wrote safe to show: no sign turns text around, and none hides. The rules of `dispatch.plain`, by the same vectors
 * (tests/vectors/plain.json). Pure. Called by `plain_page` for everything on the page, and by what writes notifications.
 */

const ONLY_ASCII = /^[\x20-\x7e]*$/;
// Control, format, lone surrogates, ends of lines and paragraphs, and what nobody has given a shape: private and unassigned signs; then
// what is drawn as nothing, though letters, marks or signs: fillers, variation selectors, the empty Braille cell.
const UNSEEN = /^(?:[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}\p{Co}\p{Cn}]|[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2800\u3164\ufe00-\ufe0f\uffa0\u{e0100}-\u{e01ef}])$/u;
const KEPT: ReadonlySet<string> = new Set(["\n", "\t"]);
const [JOINER, AS_PICTURE, KEYCAP] = ["\u200d", "\ufe0f", "\u20e3"];
const JOINING: ReadonlySet<string> = new Set(["\u200c", JOINER]);
const AS: ReadonlySet<string> = new Set(["\ufe0e", AS_PICTURE]);
/** Of scripts whose letters are written with joiners and non-joiners: Arabic to Myanmar, Khmer to Vedic, Meetei and their like. */
const JOINED = /^[\u0600-\u10ff\u1780-\u1cff\ua800-\uabff]$/;
const PICTURE = /^(?:[\p{So}\p{Sk}\p{Sm}]|[\u203c\u2049\u3030\u303d\u2139])$/u;

/**
 * Shows control signs, and all that turn text around or show nothing, as what they are (␛, ⟨U+202E⟩); lines and tabs stay. So does what
 * languages and emoji are written with, where they are: one joiner behind a letter of a script that joins, or between pictures, and one
 * selector behind a picture. What it gave it gives again.
 */
export function plain(text: string): string {
  if (ONLY_ASCII.test(text)) return text;
  // eslint-disable-next-line @typescript-eslint/no-misused-spread -- signs are code points, as in Python
  const signs = [...text.replaceAll("\r\n", "\n")];
  return signs.map((sign, at) => inText(sign, signs[at - 1] ?? " ", signs[at + 1] ?? " ")).join("");
}

/** Writes it on one line. */
export function oneLine(text: string): string {
  return plain(text).replace(/\s+/g, " ").trim();
}

function inText(sign: string, before: string, after: string): string {
  if (JOINING.has(sign) && JOINED.test(before) && !UNSEEN.test(before)) return sign;
  if (sign === JOINER && (before === AS_PICTURE || isPicture(before)) && isPicture(after)) return sign;
  if (AS.has(sign) && (isPicture(before) || after === KEYCAP)) return sign;
  return shown(sign);
}

function isPicture(sign: string): boolean {
  return PICTURE.test(sign) && !ONLY_ASCII.test(sign) && !UNSEEN.test(sign);
}

function shown(sign: string): string {
  if (KEPT.has(sign)) return sign;
  const code = sign.codePointAt(0) ?? 0;
  if (code < 0x20) return String.fromCodePoint(0x2400 + code);
  if (code === 0x7f) return "␡";
  return UNSEEN.test(sign) ? `⟨U+${code.toString(16).toUpperCase().padStart(4, "0")}⟩` : sign;
}
