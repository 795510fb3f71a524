/** One end of a transfer over a stream of the relay: joins, then says and hears sealed messages. docs/files.md "One transfer". */

import { create, fromBinary, type MessageInitShape, toBinary } from "@bufbuild/protobuf";

import type { Bytes } from "../protocol/bytes.js";
import { Reason } from "../protocol/dispatch/api/error/v1/error_pb.js";
import { DeviceKind } from "../protocol/dispatch/api/relay/v1/relay_pb.js";
import { CarryRequestSchema, type CarryResponse, CarryResponseSchema } from "../protocol/dispatch/api/relay/v1/transfer_pb.js";
import { Refused } from "../protocol/errors.js";
import type { Rng, TransferId } from "../protocol/ids.js";
import { NONCE_BYTES, transferProofBytes } from "../protocol/proof.js";
import type { Carrier, Dial } from "../protocol/thread/carrier.js";
import { type Identity, PROTOCOL_VERSIONS } from "../protocol/thread/client.js";

export const CARRY = "/dispatch.api.relay.v1.TransferService/Carry";

/** A transfer that both ends have joined. */
export interface Carrying {
  say(sealed: Bytes): Promise<void>;
  /** Rejects with Refused when it is over. */
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
}

/** Joins a transfer and waits for the other end. Rejects with Refused. `opened` is called with what closes the stream, early. */
export async function join(of: Joining, opened: (close: () => void) => void): Promise<Carrying> {
  const { dial, relay, grant, transferId, identity, rng } = of;
  const { deviceId, appVersion, instance } = identity;
  const carrier = await dial(relay, CARRY);
  opened(() => { carrier.close(); });
  const nonce = rng(NONCE_BYTES);
  const hello = { deviceId, grant, appVersion, deviceKind: DeviceKind.PHONE, protocolVersions: PROTOCOL_VERSIONS, nonce, instance };
  await write(carrier, { case: "hello", value: hello });
  const challenge = await read(carrier);
  if (challenge.case !== "challenge") throw new Refused(Reason.PROTOCOL_VIOLATION, "the relay did not answer with challenge");
  const proof = transferProofBytes({ dialled: relay, device: deviceId, clientNonce: nonce, serverNonce: challenge.value.nonce, grant, transferId });
  await write(carrier, { case: "proof", value: { dialled: relay, signature: await identity.sign(proof) } });
  await write(carrier, { case: "join", value: { transferId } });
  if ((await read(carrier)).case !== "joined") throw new Refused(Reason.PROTOCOL_VIOLATION, "the relay did not answer with joined");
  return {
    say: async (sealed) => write(carrier, { case: "data", value: { sealed } }),
    hear: async () => {
      const frame = await read(carrier);
      if (frame.case !== "data") throw new Refused(Reason.PROTOCOL_VIOLATION, "the relay forwards nothing but data");
      return frame.value.sealed;
    },
    bye: async () => write(carrier, { case: "bye", value: {} }),
    close: () => { carrier.close(); },
  };
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
