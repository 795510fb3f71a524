/** Reads why a relay closed a WebSocket: code 4000 + the gRPC status, and the reason as a form. docs/web.md "Streams over a WebSocket". */

import { Reason } from "../dispatch/api/error/v1/error_pb.js";
import { reasonOf, Refused } from "../errors.js";

const REFUSED_FROM = 4000;
const REFUSED_TO = 4016;
const LONGEST_RETRY_MS = 2 ** 32 - 1;

/** Gives the refusal that a close means. Without a code and reason of ours it is the transport speaking: NO_NETWORK. */
export function refusalOf(code: number, reason: string): Refused {
  const said = new URLSearchParams(reason);
  const word = said.get("reason");
  if (code < REFUSED_FROM || code > REFUSED_TO || word === null) return new Refused(Reason.NO_NETWORK, `the stream was closed (${code})`);
  const metadata: Record<string, string> = {};
  for (const [key, value] of said) if (!["reason", "retry_after_ms", "detail"].includes(key)) metadata[key] = value;
  const retry = said.get("retry_after_ms") ?? "";
  const retryMs = /^[0-9]{1,10}$/.test(retry) ? Math.min(Number(retry), LONGEST_RETRY_MS) : 0;
  return new Refused(reasonOf(word), said.get("detail") ?? "", retryMs, metadata);
}
