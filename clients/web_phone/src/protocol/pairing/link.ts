/**
 * The code that a host shows and a phone scans: its bytes, its text form, and the secrets that follow from it.
 *
 *     dispatch:pair#<base64url of version (1) | offer id (16) | S (32) | host X25519 key (32) | service name>
 *
 * Whoever sees the code within its two minutes can take part in its offer, so none of it goes to logs, and errors never repeat it.
 * docs/encryption.md "The link".
 */

import { type Bytes, EMPTY, text } from "../bytes.js";
import { ID_BYTES, id, type OfferId } from "../ids.js";
import { serviceName } from "../names.js";
import { derive, extract } from "../sealed/kdf.js";

export const VERSION = 1;
export const SCHEME = "dispatch:pair#";
const KEY_BYTES = 32;
const FIXED_BYTES = 1 + ID_BYTES + 2 * KEY_BYTES;
const LONGEST_LINK = 2048;

/** What is wrong with a text that should be a code: something else, a damaged one, or one of a newer version. */
export type LinkFault = "NOT_OURS" | "DAMAGED" | "NEWER";

/** A text is no code that can be used. Repeats nothing of the text. */
export class LinkError extends Error {
  constructor(readonly fault: LinkFault) {
    super(fault);
  }
}

/** What the code says. Secret until the offer has ended. */
export interface Code {
  readonly offerId: OfferId;
  readonly secret: Bytes;
  readonly hostX25519: Bytes;
  readonly service: string;
}

/** Reads a scanned or pasted code. Throws LinkError. */
export function readLink(scanned: string): Code {
  const link = scanned.trim();
  if (!link.startsWith(SCHEME) || link.length > LONGEST_LINK) throw new LinkError("NOT_OURS");
  const data = decode(link.slice(SCHEME.length));
  const version = data[0] ?? 0;
  if (version > VERSION) throw new LinkError("NEWER");
  if (version !== VERSION || data.length <= FIXED_BYTES) throw new LinkError("DAMAGED");
  const keyAt = 1 + ID_BYTES + KEY_BYTES;
  return {
    offerId: id<OfferId>(data.slice(1, 1 + ID_BYTES)),
    secret: data.slice(1 + ID_BYTES, keyAt),
    hostX25519: data.slice(keyAt, FIXED_BYTES),
    service: service(data.slice(FIXED_BYTES)),
  };
}

/** Computes what shows the service that a phone saw the code. */
export function claimToken(code: Code): Bytes {
  return derive(extract(EMPTY, code.secret), "claim", 32);
}

/** Computes the ceremony's pre-shared key. */
export function pairPsk(code: Code): Bytes {
  return derive(extract(EMPTY, code.secret), "pair psk", 32);
}

function service(name: Bytes): string {
  try {
    return serviceName(text(name));
  } catch {
    throw new LinkError("DAMAGED"); // without a cause, which could carry the bytes
  }
}

/** Decodes base64url without padding, strictly: `atob` takes white space, and bits behind the last byte. */
function decode(written: string): Bytes {
  if (!/^[A-Za-z0-9_-]*$/.test(written)) throw new LinkError("DAMAGED");
  let data: string;
  try {
    data = atob(written.replaceAll("-", "+").replaceAll("_", "/"));
  } catch {
    throw new LinkError("DAMAGED");
  }
  const again = btoa(data).replace(/=+$/, "").replaceAll("+", "-").replaceAll("/", "_");
  if (again !== written) throw new LinkError("DAMAGED");
  return Uint8Array.from(data, (sign) => sign.charCodeAt(0));
}
