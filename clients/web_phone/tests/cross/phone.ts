/**
 * A phone without a screen: signs in, pairs, sends, moves files. tests/conformance and tests/web_protocol drive it by lines of JSON
 * against the real services; docs/conformance.md says what stands in a line.
 */

import { randomBytes } from "node:crypto";

import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { createClient } from "@connectrpc/connect";

import { join } from "../../src/ground/carrying.js";
import { fetched, given, type Way } from "../../src/ground/moving.js";
import { digestOf } from "../../src/ground/parts.js";
import { type Bytes, EMPTY, fromHex, hex } from "../../src/protocol/bytes.js";
import { Reason } from "../../src/protocol/dispatch/api/error/v1/error_pb.js";
import { AccountService, PairingService, SignedGrantSchema } from "../../src/protocol/dispatch/api/pairing/v1/pairing_pb.js";
import { DeviceKind } from "../../src/protocol/dispatch/api/relay/v1/relay_pb.js";
import { AttachmentSchema, type Event, EventSchema } from "../../src/protocol/dispatch/api/thread/v1/thread_pb.js";
import { Refused, word } from "../../src/protocol/errors.js";
import { ID_BYTES, type Rng, type TaskId } from "../../src/protocol/ids.js";
import { memoryKeys } from "../../src/protocol/memory_keys.js";
import { type Code, LinkError, readLink } from "../../src/protocol/pairing/link.js";
import { meet } from "../../src/protocol/pairing/meeting.js";
import { proven } from "../../src/protocol/pairing/proven.js";
import { deviceId } from "../../src/protocol/proof.js";
import { KEY_BYTES } from "../../src/protocol/sealed/file.js";
import type { PairKeys } from "../../src/protocol/sealed/pair_keys.js";
import { Backoff } from "../../src/protocol/thread/backoff.js";
import type { Clock } from "../../src/protocol/thread/carrier.js";
import { answer, cancel, type Command, task } from "../../src/protocol/thread/commands.js";
import type { Right } from "../../src/protocol/thread/client.js";
import { LineClient } from "../../src/protocol/thread/line_client.js";
import { MemoryStore } from "../../src/protocol/thread/memory_store.js";
import { shownState } from "../../src/protocol/thread/task_view.js";
import { compute } from "./compute.js";
import { type Line, say, Streams, transport, wishes } from "./ends.js";

const APP_VERSION = "0.1.0";
const rng: Rng = (length) => new Uint8Array(randomBytes(length));
const clock: Clock = {
  nowMs: () => performance.now(),
  wallMs: () => Date.now(),
  after: (ms, call) => {
    const timer = setTimeout(call, ms);
    return () => { clearTimeout(timer); };
  },
};
const streams = new Streams(clock);
const keys = memoryKeys(rng(32), rng);
const store = new MemoryStore();
let session: Bytes = EMPTY;
let server = "";
let name = "browser";
let pairKeys: PairKeys | null = null;
let line: LineClient | null = null;
let right: Right = { grant: EMPTY, relays: [] };
const told = new Map<string, string>();
let decide: (yes: boolean) => void = () => undefined;

function service() {
  return proven(transport(server), { address: server, deviceId: deviceId(keys.signingKey), sign: keys.sign, session: () => session });
}

const identity = { deviceId: deviceId(keys.signingKey), sign: keys.sign, appVersion: APP_VERSION, instance: rng(ID_BYTES) };

/** How files go: each transfer told to the host and joined, as the page does. */
const way: Way = {
  clock, rng, backoff: () => new Backoff(Math.random),
  join: async (transferId, ask, file) => {
    if (line === null) throw new Error("not attached");
    await line.transfer({ item: ask === "offer" ? { case: "fileOffer", value: { transferId, file } } : { case: "fileWanted", value: { transferId, fileId: file.fileId } } });
    return join({ dial: streams.dial, relay: line.relay, grant: right.grant, transferId, identity, rng, clock, ending: new AbortController() });
  },
};

const WISHES: Record<string, (wish: Record<string, string>) => Promise<Line>> = {
  sign_in: async ({ address = "", account = "", password = "", name: called }) => {
    server = address;
    name = called ?? name;
    const response = await createClient(AccountService, service()).signIn({
      account, password, deviceKey: keys.signingKey, deviceName: name, deviceKind: DeviceKind.PHONE, appVersion: APP_VERSION,
    });
    session = response.session;
    return { service: response.serviceName };
  },
  pair: async ({ link = "" }) => {
    const paired = await meet({
      code: scanned(link), name, keys, rng, clock, transport: service(),
      person: {
        same: async (code, peer) => {
          say({ event: "code", code, peer });
          return new Promise((resolve) => { decide = resolve; });
        },
      },
      commit: async ({ keys: fresh }) => {
        store.add(fresh.pairId);
        pairKeys = fresh;
        return Promise.resolve();
      },
    });
    return { peer: paired.peerName, pair_id: hex(paired.keys.pairId) };
  },
  yes: async () => {
    decide(true);
    return Promise.resolve({});
  },
  no: async () => {
    decide(false);
    return Promise.resolve({});
  },
  compute: async ({ what = "", ...given }) => compute(what, given),
  attach: async () => {
    if (pairKeys === null) throw new Error("not paired");
    const { pairId } = pairKeys;
    line = await LineClient.open(
      { keys: pairKeys, sign: keys.sign, rng, signedFor: [pairId] },
      {
        dial: streams.dial, clock, rng, backoff: new Backoff(Math.random), identity,
      },
      {
        store,
        right: async () => {
          const { grant, webRelays, session: fresh } = await createClient(PairingService, service()).renewGrant({ pairId, appVersion: APP_VERSION });
          if (fresh.length > 0) session = fresh;
          right = { grant: grant === undefined ? EMPTY : toBinary(SignedGrantSchema, grant), relays: webRelays };
          return right;
        },
        changed: () => {
          tellTasks();
          say({ event: "changed", complete: line?.line.complete ?? false, ...states() });
        },
        heard: () => undefined,
        revoked: async () => {
          say({ event: "revoked" });
          return Promise.resolve();
        },
        activated: async () => Promise.resolve(),
      },
    );
    line.run().then(
      () => { say({ event: "left" }); },
      (problem: unknown) => { say({ event: "gone", reason: problem instanceof Refused ? word(problem.reason) : String(problem) }); },
    );
    return {};
  },
  send: async ({ text = "", id }) => sent(task(id === undefined ? (rng(ID_BYTES) as TaskId) : (fromHex(id) as TaskId), text)),
  cancel: async ({ id = "" }) => sent(cancel(fromHex(id) as TaskId, rng)),
  answer: async ({ id = "", said = "" }) => {
    const open = (await events()).reverse().find(({ event }) => event.case === "question");
    if (open?.event.case !== "question") throw new Error("nothing is asked");
    return sent(answer(fromHex(id) as TaskId, open.event.value, said, rng));
  },
  send_file: async ({ text = "", name = "", content = "" }) => {
    const file = new Blob([content]);
    const attachment = create(AttachmentSchema, { fileId: rng(ID_BYTES), key: rng(KEY_BYTES), name, size: BigInt(file.size), sha256: await digestOf(file, () => undefined) });
    await given(way, attachment, file, () => undefined, new AbortController().signal);
    return sent(task(rng(ID_BYTES) as TaskId, text, [attachment]));
  },
  fetch: async () => {
    const made = (await events()).reverse().find(({ event }) => event.case === "artifact")?.event;
    if (made?.case !== "artifact" || made.value.file === undefined) throw new Error("nothing was made");
    const blob = await fetched(way, made.value.file, () => undefined, new AbortController().signal);
    return { name: made.value.file.name, sha256: hex(await digestOf(blob, () => undefined)) };
  },
  events: async () => ({ events: (await events()).map(({ event }) => event.case ?? "unknown").join(" ") }),
  cut: async () => {
    streams.cut();
    return Promise.resolve({});
  },
  leave: async () => Promise.resolve((line?.leave(), {})),
};

/** Reads a pasted code; what is none is refused, as the page does. */
function scanned(link: string): Code {
  try {
    return readLink(link);
  } catch (problem) {
    throw problem instanceof LinkError ? new Refused(Reason.NOT_A_PAIRING_CODE) : problem;
  }
}

function states(): Line {
  return Object.fromEntries((line?.line.ledger.all() ?? []).map(({ taskId, view }) => [hex(taskId), `${shownState(view)} ${view.reason} ${view.text}`]));
}

/** Says of each task how it stands, whenever that is another than it was. */
function tellTasks(): void {
  for (const { taskId, view } of line?.line.ledger.all() ?? []) {
    const task = hex(taskId);
    const [state, { reason, text }] = [shownState(view), view];
    const as = JSON.stringify([state, reason, text]);
    if (told.get(task) !== as) say({ event: "task", task, state, reason, text });
    told.set(task, as);
  }
}

async function sent(command: Command): Promise<Line> {
  const post = await line?.send(command);
  return { task: hex(command.taskId), verdict: post?.verdict ?? "none", reason: post?.reason ?? "", attempt: post?.attempt ?? 0 };
}

async function events(): Promise<Event[]> {
  if (pairKeys === null) return [];
  const stored = await store.events(pairKeys.pairId, 0n);
  return stored.flatMap(({ content }) => (content === null ? [] : [fromBinary(EventSchema, content)]));
}

for await (const { wish = "", number = "", ...rest } of wishes()) {
  WISHES[wish]?.(rest).then(
    (told) => { say({ done: number, ...told }); },
    (problem: unknown) => { say({ done: number, refused: problem instanceof Refused ? word(problem.reason) : String(problem) }); },
  );
}
