/** This device at the pairing service: signing in and out, its right to a pairing, the end of one. Calls go by Connect. docs/web.md. */

import { fromBinary, toBinary } from "@bufbuild/protobuf";
import { type Client, createClient, type Transport } from "@connectrpc/connect";
import { createConnectTransport } from "@connectrpc/connect-web";

import { type Bytes, EMPTY, equal, hex } from "../protocol/bytes.js";
import { Reason } from "../protocol/dispatch/api/error/v1/error_pb.js";
import { AccountService, GrantSchema, type KeySet, PairingService, type SignedGrant, SignedGrantSchema } from "../protocol/dispatch/api/pairing/v1/pairing_pb.js";
import { DeviceKind } from "../protocol/dispatch/api/relay/v1/relay_pb.js";
import { Refused } from "../protocol/errors.js";
import type { PairId } from "../protocol/ids.js";
import type { Keys } from "../protocol/keys.js";
import { proven } from "../protocol/pairing/proven.js";
import { deviceId, mayReplace, type PinnedKeys, verifyGrant } from "../protocol/proof.js";
import type { Clock } from "../protocol/thread/carrier.js";
import type { Right } from "../protocol/thread/client.js";
import type { Database } from "./database.js";
import type { Vault } from "./vault.js";

export const APP_VERSION = "0.1.0";
const SIGNED_IN = "signed-in";
const CALL_MS = 20_000;

/** Who is signed in, and where. */
export interface SignedIn {
  readonly server: string;
  readonly account: string;
  readonly service: string;
  readonly deviceName: string;
  readonly session: Bytes;
  readonly pinned: PinnedKeys;
}

interface KnownRight extends Right {
  /** On the page's clock. */
  renewAtMs: number;
}

/** Makes a transport to a service, which proves nothing yet. */
export type Reach = (server: string) => Transport;

/** The account that this phone is of. */
export class Account {
  private now: SignedIn | null = null;
  private keeping: Promise<unknown> = Promise.resolve(); // one after the other: what is read is what was kept last
  private readonly rights = new Map<string, KnownRight>();

  constructor(
    private readonly database: Pick<Database, "get" | "put">,
    private readonly vault: Vault,
    private readonly keys: Keys,
    private readonly clock: Clock,
    private readonly reach: Reach,
  ) {}

  /** Who is signed in; null for nobody. */
  get signedIn(): SignedIn | null {
    return this.now;
  }

  /** Whether who is known here is signed in, as far as this device knows. */
  get hasSession(): boolean {
    return (this.now?.session.length ?? 0) > 0;
  }

  /** Reads who was signed in. */
  async open(): Promise<void> {
    const sealed = await this.database.get("device", SIGNED_IN);
    this.now = sealed === undefined ? null : ((await this.vault.open(SIGNED_IN, sealed)) as SignedIn);
  }

  /** Signs in. Rejects with Refused. */
  async signIn(of: { server: string; account: string; password: string; deviceName: string }): Promise<void> {
    const { server, account, password, deviceName } = of;
    const service = createClient(AccountService, this.transport(server, () => EMPTY));
    const response = await service.signIn({
      account, password, deviceKey: this.keys.signingKey, deviceName, deviceKind: DeviceKind.PHONE, appVersion: APP_VERSION,
    });
    await this.keep((now) => ({
      server, account: response.account, service: response.serviceName, deviceName, session: response.session,
      pinned: pinned(now?.service === response.serviceName ? now.pinned : null, response.keys),
    }));
  }

  /** Signs out; what it can't tell the service it forgets all the same. */
  async signOut(): Promise<void> {
    const { now } = this;
    if (now === null) return;
    await this.keep((so) => so && { ...so, session: EMPTY });
    this.rights.clear();
    await createClient(AccountService, this.transport(now.server, () => now.session)).signOut({}).catch(() => undefined);
  }

  /** Makes calls as who is signed in. Throws SIGN_IN_REQUIRED. */
  calls(): Transport {
    const { now } = this;
    if (now === null || now.session.length === 0) throw new Refused(Reason.SIGN_IN_REQUIRED);
    return this.transport(now.server, () => this.now?.session ?? EMPTY);
  }

  /** Gives the right to a pairing, from memory until half its life is over. Rejects with Refused. */
  async right(pairId: PairId, fresh: boolean): Promise<Right> {
    const known = this.rights.get(hex(pairId));
    if (known !== undefined && !fresh && this.clock.nowMs() < known.renewAtMs) return known;
    const shown = this.now?.session ?? EMPTY;
    const { grant, webRelays, session, keys } = await this.pairing().renewGrant({ pairId, appVersion: APP_VERSION });
    // A token that is fresh is kept before it is used: the old one may be gone. It takes the place of the one that was shown for it and of
    // no other: who has signed out meanwhile, or in again, stays so.
    const now = await this.keep((so) => so && {
      ...so, session: session.length > 0 && equal(so.session, shown) ? session : so.session, pinned: pinned(so.pinned, keys),
    });
    if (now === null || now.session.length === 0) throw new Refused(Reason.SIGN_IN_REQUIRED);
    const right = { grant: checked(grant, now.pinned), relays: webRelays, renewAtMs: this.clock.nowMs() + lifeMs(grant) / 2 };
    this.rights.set(hex(pairId), right);
    return right;
  }

  /** Ends a pairing at the service. Rejects with Refused. */
  async endPairing(pairId: PairId): Promise<void> {
    await this.pairing().endPairing({ pairId });
    this.rights.delete(hex(pairId));
  }

  private pairing(): Client<typeof PairingService> {
    return createClient(PairingService, this.calls());
  }

  private transport(server: string, session: () => Bytes): Transport {
    const bare = this.reach(server);
    // A call has its time; a ceremony is followed for as long as it takes.
    const timed: Transport = { stream: bare.stream.bind(bare), unary: async (method, signal, timeoutMs, ...rest) => bare.unary(method, signal, timeoutMs ?? CALL_MS, ...rest) };
    return proven(timed, { address: server, deviceId: deviceId(this.keys.signingKey), sign: this.keys.sign, session });
  }

  /** Keeps what becomes of what was kept before; gives that. Rejects with STORE_FAILED: a disk that is full may have room again. */
  private async keep(become: (now: SignedIn | null) => SignedIn | null): Promise<SignedIn | null> {
    const mine = this.keeping.then(async () => {
      const now = become(this.now);
      if (now !== null) await this.write(now).catch(() => { throw new Refused(Reason.STORE_FAILED); });
      return (this.now = now);
    });
    this.keeping = mine.catch(() => undefined);
    return mine;
  }

  private async write(now: SignedIn): Promise<void> {
    await this.database.put("device", await this.vault.seal(SIGNED_IN, now), SIGNED_IN);
  }
}

/** Reaches services as the page came, "https" or "http". */
export function overConnect(scheme: string): Reach {
  return (server) => createConnectTransport({ baseUrl: `${scheme}://${server}`, useBinaryFormat: true, fetch: quietly });
}

/** No cookie, no cache, no referrer: a call proves itself. */
const quietly: typeof fetch = async (input, init) => fetch(input, { ...init, credentials: "omit", cache: "no-store", referrerPolicy: "no-referrer" });

function pinned(known: PinnedKeys | null, said: KeySet | undefined): PinnedKeys {
  const offered = { keys: said?.keys ?? [], sequence: said?.sequence ?? 0n };
  if (mayReplace(known, offered, said?.signatures ?? [])) return offered;
  if (known === null) throw new Refused(Reason.GRANT_INVALID, "the service's keys are not signed by themselves");
  return known;
}

function checked(signed: SignedGrant | undefined, keys: PinnedKeys): Bytes {
  if (signed === undefined || !verifyGrant(keys, signed.grant, signed)) throw new Refused(Reason.GRANT_INVALID, "not by the keys that are known");
  return toBinary(SignedGrantSchema, signed);
}

function lifeMs(signed: SignedGrant | undefined): number {
  const { notBeforeMs, notAfterMs } = fromBinary(GrantSchema, signed?.grant ?? EMPTY);
  return Math.max(0, Number(notAfterMs - notBeforeMs));
}
