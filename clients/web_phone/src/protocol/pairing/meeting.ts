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
  const takeBack = clock.after(CONFIRM_MS, () => { end.abort(); });
  try {
    await leave(service, code, await ceremony.begin());
    return await followed(meeting, service, ceremony, end);
  } catch (problem) {
    const refused = refusedBy(problem, end.signal);
    ceremony.refuse();
    // As far as it can be told; the offer's time ends it otherwise.
    if (refused.reason !== Reason.NO_NETWORK) await service.endOffer({ offerId: code.offerId, reason: refused.reason }).catch(() => undefined);
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

/** Follows the offer until there is a pair; follows again when the line breaks, and leaves out the steps that it has had. */
async function followed(meeting: Meeting, service: Service, ceremony: PhoneCeremony, end: AbortController): Promise<Paired> {
  const { code, clock } = meeting;
  let taken = 0;
  let asked: Promise<void> | null = null;
  let failure: unknown = null;
  for (;;) {
    try {
      for await (const { event } of service.followOffer({ offerId: code.offerId }, { signal: end.signal })) {
        if (event.case === "ended") throw new Refused(event.value.reason);
        if (event.case !== "step" || event.value.step <= taken) continue;
        taken = event.value.step;
        await leave(service, code, await ceremony.receive(taken, event.value.payload));
        if (ceremony.state === "COMPARE" && asked === null) {
          asked = decided(meeting, service, ceremony, end.signal).catch((problem: unknown) => {
            failure = problem;
            end.abort();
          });
        }
        if (ceremony.state !== "PAIRED" || ceremony.result === null) continue;
        await committed(meeting, ceremony.result);
        return ceremony.result;
      }
    } catch (problem) {
      if (failure !== null) throw failure as Error;
      const comesBack = problem instanceof Refused && (problem.reason === Reason.NO_NETWORK || problem.reason === Reason.DRAINING);
      if (!comesBack || end.signal.aborted) throw problem;
    }
    await new Promise<void>((resolve) => clock.after(RETRY_MS, resolve));
  }
}

/** Asks the person; on a yes commits the provisional pair, then says so to the host. */
async function decided(meeting: Meeting, service: Service, ceremony: PhoneCeremony, signal: AbortSignal): Promise<void> {
  const same = await meeting.person.same(ceremony.code ?? "", ceremony.peerName ?? "", signal);
  if (!same) throw new Refused(Reason.PAIRING_REFUSED);
  const outgoing = await ceremony.confirm(meeting.keys.sign);
  if (ceremony.result !== null) await committed(meeting, ceremony.result);
  await leave(service, meeting.code, outgoing);
}

async function committed(meeting: Meeting, paired: Paired): Promise<void> {
  await meeting.commit(paired).catch(() => { throw new Refused(Reason.STORE_FAILED); });
}

async function leave(service: Service, code: Code, outgoing: Outgoing[]): Promise<void> {
  for (const { step, payload } of outgoing) await service.sendStep({ offerId: code.offerId, step, payload });
}

const BY_FAILURE: Readonly<Partial<Record<Failure, Reason>>> = { REFUSED: Reason.PAIRING_REFUSED };

function refusedBy(problem: unknown, signal?: AbortSignal): Refused {
  if (problem instanceof CeremonyFailed) return new Refused(BY_FAILURE[problem.why] ?? Reason.HANDSHAKE_FAILED, problem.why);
  if (problem instanceof Refused) return signal?.aborted === true && problem.reason === Reason.NO_NETWORK ? new Refused(Reason.OFFER_EXPIRED) : problem;
  return new Refused(Reason.INTERNAL, problem instanceof Error ? problem.name : "");
}
