/** One end of a transfer over a stream of the relay: joins, then says and hears sealed messages, each within its time. docs/files.md "One transfer". */

import { create, fromBinary, type MessageInitShape, toBinary } from "@bufbuild/protobuf";

import type { Bytes } from "../protocol/bytes.js";
import { Reason } from "../protocol/dispatch/api/error/v1/error_pb.js";
import { DeviceKind } from "../protocol/dispatch/api/relay/v1/relay_pb.js";
import { CarryRequestSchema, type CarryResponse, CarryResponseSchema } from "../protocol/dispatch/api/relay/v1/transfer_pb.js";
import { Refused } from "../protocol/errors.js";
import type { Rng, TransferId } from "../protocol/ids.js";
import { NONCE_BYTES, transferProofBytes } from "../protocol/proof.js";
import type { Carrier, Clock, Dial } from "../protocol/thread/carrier.js";
import { type Identity, PROTOCOL_VERSIONS } from "../protocol/thread/client.js";

export const CARRY = "/dispatch.api.relay.v1.TransferService/Carry";
/** The relay answers at once, says soon whether the other end comes, and ends what stands still: these are for a path that leads nowhere, ms. */
export const CHALLENGE_WITHIN_MS = 10_000;
export const JOIN_WITHIN_MS = 30_000;
/** Longer than the last chunks take out of the browser on a slow line; shorter than a phone's patience, so that it tries once more. */
export const SILENCE_MS = 45_000;

/** A transfer that both ends have joined. */
export interface Carrying {
  /** Rejects with Refused when it is over, also because nothing went for SILENCE_MS. */
  say(sealed: Bytes): Promise<void>;
  /** Rejects with Refused when it is over, also because nothing came for SILENCE_MS. */
  hear(): Promise<Bytes>;
  /** Ends it for both, in peace. */
  bye(): Promise<void>;
  close(): void;
}

/** What joining takes. `grant` is a serialized SignedGrant. */
export interface Joining {
  dial: Dial;
  relay: string;
  grant: Bytes;
  transferId: TransferId;
  identity: Identity;
  rng: Rng;
  clock: Clock;
  /** Closes the stream, at any time; is used here as well. */
  ending: AbortController;
}

/** Joins a transfer and waits for the other end. Rejects with Refused; nothing is left open then. */
export async function join(of: Joining): Promise<Carrying> {
  const { ending } = of;
  const within = async <T>(ms: number, moving: Promise<T>): Promise<T> => moved(moving, ms, of);
  try {
    const { carrier, proof } = await within(CHALLENGE_WITHIN_MS, challenged(of));
    await within(JOIN_WITHIN_MS, joined(carrier, proof, of));
    return {
      say: async (sealed) => within(SILENCE_MS, write(carrier, { case: "data", value: { sealed } })),
      hear: async () => within(SILENCE_MS, heard(carrier)),
      bye: async () => within(SILENCE_MS, write(carrier, { case: "bye", value: {} })),
      close: () => { ending.abort(); },
    };
  } catch (problem) {
    ending.abort();
    throw problem;
  }
}

/** Dials and says Hello; gives what the relay's challenge asks to be signed. */
async function challenged({ dial, relay, grant, transferId, identity, rng, ending }: Joining): Promise<{ carrier: Carrier; proof: Bytes }> {
  const { deviceId, appVersion, instance } = identity;
  const carrier = await dial(relay, CARRY, ending.signal);
  const nonce = rng(NONCE_BYTES);
  const hello = { deviceId, grant, appVersion, deviceKind: DeviceKind.PHONE, protocolVersions: PROTOCOL_VERSIONS, nonce, instance };
  await write(carrier, { case: "hello", value: hello });
  const challenge = await read(carrier);
  if (challenge.case !== "challenge") throw new Refused(Reason.PROTOCOL_VIOLATION, "the relay did not answer with challenge");
  return { carrier, proof: transferProofBytes({ dialled: relay, device: deviceId, clientNonce: nonce, serverNonce: challenge.value.nonce, grant, transferId }) };
}

async function joined(carrier: Carrier, proof: Bytes, { relay, transferId, identity }: Joining): Promise<void> {
  await write(carrier, { case: "proof", value: { dialled: relay, signature: await identity.sign(proof) } });
  await write(carrier, { case: "join", value: { transferId } });
  if ((await read(carrier)).case !== "joined") throw new Refused(Reason.PROTOCOL_VIOLATION, "the relay did not answer with joined");
}

async function heard(carrier: Carrier): Promise<Bytes> {
  const frame = await read(carrier);
  if (frame.case !== "data") throw new Refused(Reason.PROTOCOL_VIOLATION, "the relay forwards nothing but data");
  return frame.value.sealed;
}

/** Waits for what moves a transfer, and takes it for broken when that does not come: a path that is gone may never say so. */
async function moved<T>(moving: Promise<T>, ms: number, { clock, ending }: Joining): Promise<T> {
  return new Promise((resolve, reject) => {
    const takeBack = clock.after(ms, () => {
      reject(new Refused(Reason.NO_NETWORK, "the transfer stands still"));
      ending.abort();
    });
    moving.finally(takeBack).then(resolve, reject);
  });
}

async function write(carrier: Carrier, frame: NonNullable<MessageInitShape<typeof CarryRequestSchema>["frame"]>): Promise<void> {
  await carrier.write(toBinary(CarryRequestSchema, create(CarryRequestSchema, { frame })));
}

async function read(carrier: Carrier): Promise<CarryResponse["frame"]> {
  const message = await carrier.read();
  try {
    return fromBinary(CarryResponseSchema, message).frame;
  } catch {
    throw new Refused(Reason.PROTOCOL_VIOLATION, "what the relay says can't be read");
  }
}
