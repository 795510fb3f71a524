/** A file on its way, transfer after transfer. */

import { create } from "@bufbuild/protobuf";
import { expect, it } from "vitest";

import { fetched } from "../../src/ground/moving.js";
import { Reason } from "../../src/protocol/dispatch/api/error/v1/error_pb.js";
import { AttachmentSchema } from "../../src/protocol/dispatch/api/thread/v1/thread_pb.js";
import { Refused } from "../../src/protocol/errors.js";
import { Backoff } from "../../src/protocol/thread/backoff.js";
import { counted } from "../support/host.js";
import { Hand, until } from "../support/stream.js";

const FILE = create(AttachmentSchema, { fileId: new Uint8Array(16), key: new Uint8Array(32), name: "a.bin", size: 3n, sha256: new Uint8Array(32) });

it("what is stopped while it waits for the next try is over at once, and is not tried again", async () => {
  const [clock, stop] = [new Hand(), new AbortController()];
  const joined: string[] = [];
  const way = {
    clock, rng: counted("moving"), backoff: () => new Backoff(() => 0.5),
    join: async (_: unknown, ask: string) => {
      joined.push(ask);
      return Promise.reject(new Refused(Reason.PEER_ABSENT));
    },
  };
  const fetching = fetched(way, FILE, () => undefined, stop.signal).then(() => null, (problem: unknown) => problem);
  await until(() => clock.waiting === 1);

  stop.abort();

  expect(await fetching).toBeInstanceOf(Refused);
  clock.move(60_000);
  expect([joined, clock.waiting]).toEqual([["want"], 0]);
});
