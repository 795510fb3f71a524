/** The kinds of ids, so that one can't be passed for another. All are 16 bytes and say nothing about content. */

import type { Bytes } from "./bytes.js";

declare const kind: unique symbol;
type Id<Kind extends string> = Bytes & { readonly [kind]: Kind };

export type PairId = Id<"pair">;
export type DeviceId = Id<"device">;
export type TaskId = Id<"task">;
export type MessageId = Id<"message">;
export type OfferId = Id<"offer">;
export type EventId = Id<"event">;
export type FileId = Id<"file">;
export type TransferId = Id<"transfer">;

export const ID_BYTES = 16;

/** Gives that many unpredictable bytes: `crypto.getRandomValues` in a page, something counted in a test. */
export type Rng = (length: number) => Bytes;

/** Takes 16 bytes for an id of the kind that the caller knows them to be. Throws RangeError. */
// eslint-disable-next-line @typescript-eslint/no-unnecessary-type-parameters -- the caller knows the kind; nothing in the bytes tells it
export function id<Kind extends Id<string>>(data: Bytes): Kind {
  if (data.length !== ID_BYTES) throw new RangeError("an id has 16 bytes");
  return data as Kind;
}
