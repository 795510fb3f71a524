/** Where the vectors are: the project's own, and the published ones beside the repository. tests/vectors/README.md says what is in them. */

import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";

import { fromHex } from "../../src/protocol/bytes.js";
import type { Bytes } from "../../src/protocol/bytes.js";

const ROOT = join(import.meta.dirname, "..", "..", "..", "..");
const PUBLISHED = process.env["DISPATCH_VECTORS"] ?? join(ROOT, "..", "shared", "vectors");

/** Reads one of the project's own files. */
export function own<T>(name: string): T {
  return JSON.parse(readFileSync(join(ROOT, "tests", "vectors", name), "utf8")) as T;
}

/** Reads a published file; null when there is no folder of them on this machine. One that lacks the file is a failure. */
export function published<T>(name: string): T | null {
  if (!existsSync(PUBLISHED) && process.env["DISPATCH_VECTORS"] === undefined) return null;
  return JSON.parse(readFileSync(join(PUBLISHED, name), "utf8")) as T;
}

/** Reads bytes of a vector. */
export const raw = fromHex;

/** An rng that gives these draws in their order, each of the length that is asked for, and no more. */
export function draws(...values: string[]): (length: number) => Bytes {
  const left = values.map(raw);
  return (length) => {
    const value = left.shift();
    if (value?.length !== length) throw new Error(`a draw of ${length} bytes that the vector does not have`);
    return value;
  };
}
