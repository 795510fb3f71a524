/** What a device and a service may be called. People decide by these names, so a name can't play tricks on them. docs/encryption.md "Names". */

export const LONGEST_DEVICE_NAME = 64;
export const LONGEST_SERVICE_NAME = 253;

// Control characters, lone surrogates, the two separators that start a new line, and everything that changes the direction.
const FORBIDDEN = /[\p{Cc}\p{Cs}\p{Zl}\p{Zp}\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/u;
// What Python's strip() takes off beyond JavaScript's \s is a control character and forbidden; U+FEFF is white space here only.
const SPACE_AT_AN_END = /^[^\S\ufeff]|[^\S\ufeff]$/u;

/** A name breaks the rules. The message says which rule, never the name. */
export class NameInvalid extends Error {}

/** Tidies a name that a person typed (NFC, no space around it) and checks it. Throws NameInvalid. */
export function deviceName(typed: string): string {
  return check(typed.normalize("NFC").trim(), LONGEST_DEVICE_NAME);
}

/** Checks a name that a peer sent: it has to be tidy already. Throws NameInvalid. */
export function peerName(sent: string): string {
  return tidy(sent, LONGEST_DEVICE_NAME);
}

/** Checks what a pairing service calls itself, by the same rules. Throws NameInvalid. */
export function serviceName(sent: string): string {
  return tidy(sent, LONGEST_SERVICE_NAME);
}

function tidy(name: string, longest: number): string {
  if (name !== name.normalize("NFC") || SPACE_AT_AN_END.test(name)) throw new NameInvalid("the name is not in its normal form");
  return check(name, longest);
}

function check(name: string, longest: number): string {
  if (name === "") throw new NameInvalid("the name is empty");
  if (Array.from(name).length > longest) throw new NameInvalid(`the name is longer than ${longest} characters`);
  if (FORBIDDEN.test(name)) throw new NameInvalid("the name has control or direction characters");
  return name;
}
