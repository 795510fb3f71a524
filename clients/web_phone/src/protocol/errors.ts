/** What is refused, and why: one list of reasons, the contract's, for frames, closed streams and calls. */

import { Reason } from "./dispatch/api/error/v1/error_pb.js";

/** Something was refused or can't be done. What a person reads is found by the reason. */
export class Refused extends Error {
  constructor(
    readonly reason: Reason,
    readonly detail = "",
    readonly retryAfterMs = 0,
    readonly metadata: Readonly<Record<string, string>> = {},
  ) {
    super(word(reason));
  }
}

/** The same, where no word of a Dispatch service came: whoever answers there, if anybody does, is none, or does not get through. */
export class Unheard extends Refused {}

const NAMES: Readonly<Partial<Record<number, string>>> = Reason;

/** Writes a reason as it stands in close reasons and logs; one that this version does not know is an INTERNAL. */
export function word(reason: Reason): string {
  return NAMES[reason] ?? "INTERNAL";
}

/** Reads what `word` wrote. */
export function reasonOf(written: string): Reason {
  const known = Object.entries(Reason).find(([name]) => name === written)?.[1];
  return typeof known === "number" && known !== Reason.UNSPECIFIED ? known : Reason.INTERNAL;
}
