/** Byte strings: putting them together, comparing them, numbers and text in them. Knows no protocol. */

export type Bytes = Uint8Array;

const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

export const EMPTY: Bytes = new Uint8Array(0);

/** Puts byte strings one after the other. */
export function concat(...parts: Bytes[]): Bytes {
  const all = new Uint8Array(parts.reduce((length, part) => length + part.length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}

/** Compares in a time that depends on the lengths alone. */
export function equal(a: Bytes, b: Bytes): boolean {
  if (a.length !== b.length) return false;
  let difference = 0;
  for (let i = 0; i < a.length; i++) difference |= (a[i] ?? 0) ^ (b[i] ?? 0);
  return difference === 0;
}

/** Writes text as UTF-8. */
export function utf8(text: string): Bytes {
  return encoder.encode(text);
}

/** Reads UTF-8, strictly. Throws TypeError. */
export function text(data: Bytes): string {
  return decoder.decode(data);
}

/** Writes lower-case hex, which is how ids are keys of maps. */
export function hex(data: Bytes): string {
  let out = "";
  for (const byte of data) out += byte.toString(16).padStart(2, "0");
  return out;
}

/** Reads hex that `hex` wrote. Throws RangeError. */
export function fromHex(written: string): Bytes {
  if (written.length % 2 !== 0 || /[^0-9a-f]/.test(written)) throw new RangeError("this is no hex");
  return Uint8Array.from({ length: written.length / 2 }, (_, i) => parseInt(written.slice(2 * i, 2 * i + 2), 16));
}

/** Writes an integer as 4 bytes, big-endian. */
export function u32(value: number): Bytes {
  const out = new Uint8Array(4);
  new DataView(out.buffer).setUint32(0, value);
  return out;
}

/** Writes an integer as 8 bytes, big-endian. A JavaScript number holds 53 bits, so it is a bigint. */
export function u64(value: bigint): Bytes {
  const out = new Uint8Array(8);
  new DataView(out.buffer).setBigUint64(0, value);
  return out;
}

/** Reads 8 bytes, big-endian. */
export function readU64(data: Bytes, at = 0): bigint {
  return view(data).getBigUint64(at);
}

/** Reads 4 bytes, big-endian. */
export function readU32(data: Bytes, at = 0): number {
  return view(data).getUint32(at);
}

function view(data: Bytes): DataView {
  return new DataView(data.buffer, data.byteOffset, data.byteLength);
}

/** Copies bytes into memory of their own, as the types of browsers want them. */
export function solid(data: Bytes): Uint8Array<ArrayBuffer> {
  return new Uint8Array(data);
}
