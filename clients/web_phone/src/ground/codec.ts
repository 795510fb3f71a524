/** Writes values with byte strings and big numbers in them as bytes, and reads them again. For what this browser keeps for itself: no wire. */

import { type Bytes, text, utf8 } from "../protocol/bytes.js";

const BYTES = "$bytes";
const BIG = "$big";

/** Writes a value of plain objects, lists, texts, numbers, byte strings and big numbers. */
export function write(value: unknown): Bytes {
  return utf8(JSON.stringify(value, (_, one: unknown) => {
    if (one instanceof Uint8Array) return { [BYTES]: base64(one) };
    return typeof one === "bigint" ? { [BIG]: one.toString() } : one;
  }));
}

/** Reads what `write` wrote. */
export function read(data: Bytes): unknown {
  return JSON.parse(text(data), (_, one: unknown) => {
    if (typeof one !== "object" || one === null) return one;
    const marked = one as Partial<Record<string, string>>;
    if (typeof marked[BYTES] === "string") return fromBase64(marked[BYTES]);
    return typeof marked[BIG] === "string" ? BigInt(marked[BIG]) : one;
  });
}

/** Writes bytes as base64. */
export function base64(data: Bytes): string {
  let signs = "";
  // A call takes a bounded number of arguments.
  for (let at = 0; at < data.length; at += 8192) signs += String.fromCharCode(...data.subarray(at, at + 8192));
  return btoa(signs);
}

/** Reads base64. Throws DOMException for anything else. */
export function fromBase64(written: string): Bytes {
  return Uint8Array.from(atob(written), (sign) => sign.charCodeAt(0));
}
