/**
 * Calls the pairing service as a device: each call proven with the device key and the service's nonce.
 *
 * Wraps a transport of Connect, so that the generated clients are used as they are. A refusal comes out as Refused.
 * docs/encryption.md "Proof of a call", docs/web.md "Calls by Connect".
 */

import { create, type DescMessage, type DescMethodStreaming, type DescMethodUnary, type MessageInitShape, toBinary } from "@bufbuild/protobuf";
import { Code, ConnectError, type StreamResponse, type Transport, type UnaryResponse } from "@connectrpc/connect";

import { type Bytes, EMPTY } from "../bytes.js";
import { Reason } from "../dispatch/api/error/v1/error_pb.js";
import { reasonOf, Refused, Unheard } from "../errors.js";
import { ErrorInfoSchema, RetryInfoSchema } from "../google/rpc/error_details_pb.js";
import type { DeviceId } from "../ids.js";
import type { Signer } from "../keys.js";
import { callProofBytes } from "../proof.js";

type GivenHeaders = ConstructorParameters<typeof Headers>[0];

const NEXT_NONCE = "dispatch-next-nonce-bin";
const DOMAIN = "dispatch";
const LONGEST_RETRY_MS = 2 ** 32 - 1;

/** Who calls, and which service. `session` gives the token of a person's sign-in; empty for none. */
export interface Caller {
  address: string;
  deviceId: DeviceId;
  sign: Signer;
  session(): Bytes;
}

/** Makes a transport whose calls are proven. A nonce that is missing or old is replaced by the one that came with the refusal, once. */
export function proven(transport: Transport, caller: Caller): Transport {
  let nonce: Bytes = EMPTY;

  const heed = (headers: Headers): void => {
    const fresh = fromBase64(headers.get(NEXT_NONCE) ?? "");
    if (fresh.length > 0) nonce = fresh;
  };

  const headersFor = async (method: string, request: Bytes, given: GivenHeaders | undefined): Promise<Headers> => {
    const { address, deviceId, sign } = caller;
    const headers = new Headers(given);
    const proof = await sign(callProofBytes({ dialled: address, method, device: deviceId, nonce, request }));
    headers.set("dispatch-device-bin", base64(deviceId));
    headers.set("dispatch-dialled", address);
    headers.set("dispatch-nonce-bin", base64(nonce));
    headers.set("dispatch-proof-bin", base64(proof));
    const session = caller.session();
    if (session.length > 0) headers.set("dispatch-session-bin", base64(session));
    return headers;
  };

  /** Reads a refusal, and keeps the nonce that came with it. */
  const understood = (problem: unknown): Refused => {
    const refused = refusalOf(problem);
    if (refused.reason === Reason.NONCE_EXPIRED) nonce = fromBase64(refused.metadata["nonce"] ?? "");
    return refused;
  };

  return {
    async unary<I extends DescMessage, O extends DescMessage>(
      method: DescMethodUnary<I, O>, signal: AbortSignal | undefined, timeoutMs: number | undefined, given: GivenHeaders | undefined, input: MessageInitShape<I>,
    ): Promise<UnaryResponse<I, O>> {
      const request = toBinary(method.input, create(method.input, input));
      for (let again = false; ; again = true) {
        const headers = await headersFor(nameOf(method), request, given);
        try {
          const response = await transport.unary(method, signal, timeoutMs, headers, input);
          heed(response.header);
          return response;
        } catch (problem) {
          const refused = understood(problem);
          if (refused.reason !== Reason.NONCE_EXPIRED || again) throw refused;
        }
      }
    },

    async stream<I extends DescMessage, O extends DescMessage>(
      method: DescMethodStreaming<I, O>, signal: AbortSignal | undefined, timeoutMs: number | undefined, given: GivenHeaders | undefined,
      input: AsyncIterable<MessageInitShape<I>>,
    ): Promise<StreamResponse<I, O>> {
      const inputs: MessageInitShape<I>[] = [];
      for await (const one of input) inputs.push(one); // a server stream has one
      const request = toBinary(method.input, create(method.input, inputs[0]));

      const once = async (): Promise<StreamResponse<I, O>> => {
        const headers = await headersFor(nameOf(method), request, given);
        const response = await transport.stream(method, signal, timeoutMs, headers, oneOf(inputs));
        heed(response.header);
        return response;
      };
      const first = await once().catch((problem: unknown) => { throw understood(problem); });
      return { ...first, message: retried(first, once, understood) };
    },
  };
}

/** Gives a stream's messages; one that is refused for its nonce before the first is asked for anew, once. */
async function* retried<I extends DescMessage, O extends DescMessage>(
  first: StreamResponse<I, O>, once: () => Promise<StreamResponse<I, O>>, understood: (problem: unknown) => Refused,
): AsyncGenerator<Awaited<ReturnType<typeof once>>["message"] extends AsyncIterable<infer M> ? M : never> {
  let [response, begun] = [first, false];
  for (let again = false; ; again = true) {
    try {
      for await (const message of response.message) {
        begun = true;
        yield message;
      }
      return;
    } catch (problem) {
      const refused = understood(problem);
      if (refused.reason !== Reason.NONCE_EXPIRED || again || begun) throw refused;
      response = await once().catch((failure: unknown) => { throw understood(failure); });
    }
  }
}

/** Reads what a service meant. Without our details it is the transport speaking (Unheard): NO_NETWORK, or what the code says. */
export function refusalOf(problem: unknown): Refused {
  if (problem instanceof Refused) return problem;
  const error = ConnectError.from(problem);
  const info = error.findDetails(ErrorInfoSchema).find((one) => one.domain === DOMAIN);
  if (info === undefined) return new Unheard(BY_CODE[error.code] ?? Reason.INTERNAL, Code[error.code]);
  const delay = error.findDetails(RetryInfoSchema)[0]?.retryDelay;
  const delayMs = Math.ceil(Number(delay?.seconds ?? 0n) * 1000 + (delay?.nanos ?? 0) / 1e6);
  return new Refused(reasonOf(info.reason), error.rawMessage, Math.min(Math.max(0, delayMs), LONGEST_RETRY_MS), info.metadata);
}

const BY_CODE: Readonly<Partial<Record<Code, Reason>>> = {
  [Code.Unavailable]: Reason.NO_NETWORK,
  [Code.DeadlineExceeded]: Reason.NO_NETWORK,
  [Code.Canceled]: Reason.NO_NETWORK,
  [Code.Unknown]: Reason.NO_NETWORK, // what a browser says of a connection that failed
  [Code.ResourceExhausted]: Reason.TOO_LARGE,
  [Code.Unimplemented]: Reason.NOT_SUPPORTED,
  [Code.InvalidArgument]: Reason.BAD_REQUEST,
};

function nameOf(method: { parent: { typeName: string }; name: string }): string {
  return `/${method.parent.typeName}/${method.name}`;
}

// eslint-disable-next-line @typescript-eslint/require-await -- an async iterable is what a transport takes
async function* oneOf<T>(items: T[]): AsyncGenerator<T> {
  yield* items;
}

function base64(data: Bytes): string {
  return btoa(String.fromCharCode(...data));
}

function fromBase64(written: string): Bytes {
  try {
    return Uint8Array.from(atob(written), (sign) => sign.charCodeAt(0));
  } catch {
    return EMPTY;
  }
}
