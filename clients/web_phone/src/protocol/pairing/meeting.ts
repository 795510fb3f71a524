/**
 * Drives the phone's side of the ceremony over the pairing service. The rules are `ceremony`'s.
 *
 * A person is asked through `Person`; what must be remembered goes through `commit` before the other side can hear of it. Whatever goes
 * wrong ends in one Refused, and the offer is ended at the service too. docs/encryption.md "Pairing".
 */

import { type Client, createClient, type Transport } from "@connectrpc/connect";

import { Reason } from "../dispatch/api/error/v1/error_pb.js";
import { PairingService } from "../dispatch/api/pairing/v1/pairing_pb.js";
import { Refused } from "../errors.js";
import type { Rng } from "../ids.js";
import type { Keys } from "../keys.js";
import type { Clock } from "../thread/carrier.js";
import { CeremonyFailed, type Failure, type Outgoing, type Paired, PhoneCeremony } from "./ceremony.js";
import { claimToken, type Code } from "./link.js";

export const CONFIRM_MS = 120_000;
export const RETRY_MS = 500;

/** The person in front of the phone. */
export interface Person {
  /** Asks whether the computer shows the same code. `signal` aborts when the ceremony ends meanwhile. */
  same(code: string, peer: string, signal: AbortSignal): Promise<boolean>;
}

/** What meeting a host takes. `transport` is a proven one (`proven`). */
export interface Meeting {
  code: Code;
  name: string;
  keys: Keys;
  rng: Rng;
  clock: Clock;
  transport: Transport;
  person: Person;
  /** Called twice: with the provisional pair before the host can hear of the yes, and with the final one. */
  commit(paired: Paired): Promise<void>;
}

/**
 * Claims the offer behind a scanned code and pairs. Rejects with Refused. When it does so after the first `commit`, the caller keeps the
 * provisional pair only for NO_NETWORK: the host may have completed it, and a session will show that.
 */
export async function meet(meeting: Meeting): Promise<Paired> {
  const { code, clock } = meeting;
  const service = createClient(PairingService, meeting.transport);
  const ceremony = await begun(meeting);
  await service.claimOffer({ offerId: code.offerId, claimToken: claimToken(code) });
  const end = new AbortController();
  const takeBack = clock.after(CONFIRM_MS, () => { end.abort(new Refused(Reason.OFFER_EXPIRED)); });
  try {
    await leave(meeting, service, await ceremony.begin(), end.signal);
    return await followed(meeting, service, ceremony, end);
  } catch (problem) {
    const refused = refusedBy(end.signal.aborted ? end.signal.reason : problem);
    const saidYes = ceremony.result !== null;
    ceremony.refuse();
    if (refused.reason === Reason.NO_NETWORK) throw refused;
    // As far as it can be told; the offer's time ends it otherwise.
    const isTold = await service.endOffer({ offerId: code.offerId, reason: refused.reason }).then(() => true, () => false);
    // A phone that does not reach the service can't know whether its yes arrived, and what the host made of it.
    if (saidYes && !isTold && refused.reason === Reason.OFFER_EXPIRED) throw new Refused(Reason.NO_NETWORK);
    throw refused;
  } finally {
    takeBack();
    end.abort();
  }
}

/** Makes the phone's side, before the offer is claimed: what fails here has nobody wait. Rejects with Refused. */
async function begun({ code, keys, name, rng }: Meeting): Promise<PhoneCeremony> {
  try {
    return new PhoneCeremony({ code, ownX25519: await keys.makeDhKey(), ownEd25519: keys.signingKey, ownName: name, rng });
  } catch (problem) {
    throw refusedBy(problem);
  }
}

type Service = Client<typeof PairingService>;

/**
 * Follows the offer until there is a pair; follows again when the line breaks, and leaves out the steps that it has had. `end` says why
 * there will be none, to all that is under way.
 */
async function followed(meeting: Meeting, service: Service, ceremony: PhoneCeremony, end: AbortController): Promise<Paired> {
  const { code, clock } = meeting;
  let taken = 0;
  let asked: Promise<void> | null = null;
  for (;;) {
    try {
      for await (const { event } of service.followOffer({ offerId: code.offerId }, { signal: end.signal })) {
        if (event.case === "ended") {
          end.abort(overBy(event.value.reason));
          end.signal.throwIfAborted();
        }
        if (event.case !== "step" || event.value.step <= taken) continue;
        taken = event.value.step;
        await leave(meeting, service, await ceremony.receive(taken, event.value.payload), end.signal);
        if (ceremony.state === "COMPARE" && asked === null) {
          asked = decided(meeting, service, ceremony, end.signal).catch((problem: unknown) => { end.abort(problem); });
        }
        if (ceremony.state !== "PAIRED" || ceremony.result === null) continue;
        await committed(meeting, ceremony.result);
        return ceremony.result;
      }
    } catch (problem) {
      if (!comesBack(problem) || end.signal.aborted) throw problem;
    }
    await pause(clock);
  }
}

/** Asks the person; on a yes commits the provisional pair, then says so to the host. */
async function decided(meeting: Meeting, service: Service, ceremony: PhoneCeremony, signal: AbortSignal): Promise<void> {
  const same = await meeting.person.same(ceremony.code ?? "", ceremony.peerName ?? "", signal);
  if (!same) throw new Refused(Reason.PAIRING_REFUSED);
  const outgoing = await ceremony.confirm(meeting.keys.sign);
  if (ceremony.result !== null) await committed(meeting, ceremony.result);
  await leave(meeting, service, outgoing, signal);
}

async function committed(meeting: Meeting, paired: Paired): Promise<void> {
  await meeting.commit(paired).catch(() => { throw new Refused(Reason.STORE_FAILED); });
}

/** Leaves what the machine gave, each step until the service has it: the machine gives none twice. The same bytes again change nothing there. */
async function leave({ code, clock }: Meeting, service: Service, outgoing: Outgoing[], signal: AbortSignal): Promise<void> {
  for (const { step, payload } of outgoing) {
    for (;;) {
      try {
        await service.sendStep({ offerId: code.offerId, step, payload }, { signal });
        break;
      } catch (problem) {
        if (!comesBack(problem) || signal.aborted) throw problem;
      }
      await pause(clock);
    }
  }
}

async function pause(clock: Clock): Promise<void> {
  return new Promise<void>((resolve) => clock.after(RETRY_MS, resolve));
}

/** Whether the service is away for a while, as far as one knows. */
function comesBack(problem: unknown): boolean {
  return problem instanceof Refused && (problem.reason === Reason.NO_NETWORK || problem.reason === Reason.DRAINING);
}

/** Why an offer that is over gives no pair here. A complete one has no reason: only the host's last word did not arrive, and its first session makes up for that. */
function overBy(reason: Reason): Refused {
  return new Refused(reason === Reason.UNSPECIFIED ? Reason.NO_NETWORK : reason);
}

const BY_FAILURE: Readonly<Partial<Record<Failure, Reason>>> = { REFUSED: Reason.PAIRING_REFUSED };

function refusedBy(problem: unknown): Refused {
  if (problem instanceof CeremonyFailed) return new Refused(BY_FAILURE[problem.why] ?? Reason.HANDSHAKE_FAILED, problem.why);
  if (problem instanceof Refused) return problem;
  return new Refused(Reason.INTERNAL, problem instanceof Error ? problem.name : "");
}
