/** Reads what a person scanned or pasted as the code of a computer at their service. Pure. */

import { Reason } from "../../protocol/dispatch/api/error/v1/error_pb.js";
import { Refused } from "../../protocol/errors.js";
import { type Code, LinkError, readLink } from "../../protocol/pairing/link.js";

/**
 * Gives the code. Throws NOT_A_PAIRING_CODE, APP_TOO_OLD, and OTHER_SERVICE for one of another service than `service`.
 *
 * The service's name stands last in a link, so one that was copied without its end names a beginning of it: that is no other service.
 */
export function codeFor(service: string, written: string): Code {
  const code = read(written);
  if (code.service === service) return code;
  if (service.startsWith(code.service)) throw new Refused(Reason.NOT_A_PAIRING_CODE, "DAMAGED");
  throw new Refused(Reason.OTHER_SERVICE, "", 0, { service: code.service });
}

function read(written: string): Code {
  try {
    return readLink(written);
  } catch (problem) {
    throw problem instanceof LinkError ? new Refused(problem.fault === "NEWER" ? Reason.APP_TOO_OLD : Reason.NOT_A_PAIRING_CODE, problem.fault) : problem;
  }
}
