/** Two ends of a transfer: from any chunk on, by digest, and nothing but the chunk that is due. */

import { create } from "@bufbuild/protobuf";
import { sha256 } from "@noble/hashes/sha2.js";
import { expect, it } from "vitest";

import { type Bytes, concat } from "../src/protocol/bytes.js";
import { Reason } from "../src/protocol/dispatch/api/error/v1/error_pb.js";
import { AttachmentSchema } from "../src/protocol/dispatch/api/thread/v1/thread_pb.js";
import type { TransferId } from "../src/protocol/ids.js";
import { described } from "../src/protocol/files/described.js";
import { Giving } from "../src/protocol/files/giving.js";
import { Taking } from "../src/protocol/files/taking.js";
import { CHUNK_BYTES } from "../src/protocol/sealed/file.js";
import { counted } from "./support/host.js";

const content = counted("content")(2 * CHUNK_BYTES + 5);
const said = { fileId: new Uint8Array(16).fill(1), key: new Uint8Array(32).fill(2), name: "a.bin", size: BigInt(content.length), sha256: sha256(content) };
const file = described(create(AttachmentSchema, said));
const part = (index: number): Bytes => content.slice(index * CHUNK_BYTES, (index + 1) * CHUNK_BYTES);
const id = (seed: string): TransferId => counted(seed)(16) as TransferId;

it("a transfer that broke goes on with the first chunk that is missing, and the digest closes it", () => {
  const kept: Bytes[] = [];
  const first = { taking: new Taking(file, id("1"), 0, counted("t")), giving: new Giving(file, id("1"), counted("g")) };
  expect(first.giving.hear(first.taking.begin() ?? new Uint8Array())).toBe(0);
  kept.push(first.taking.hear(first.giving.chunk(0, part(0))).content);

  const [taking, giving] = [new Taking(file, id("2"), kept.length, counted("t2")), new Giving(file, id("2"), counted("g2"))];
  expect(giving.hear(taking.begin() ?? new Uint8Array())).toBe(1);
  for (const index of [1, 2]) kept.push(taking.hear(giving.chunk(index, part(index))).content);

  expect(concat(...kept)).toEqual(content);
  expect(giving.hear(taking.have(sha256(concat(...kept))))).toBeNull();
  expect(giving.state).toBe("OVER");
});

it("a chunk that is moved, repeated, or of another file is refused, and so is more than the file is long", () => {
  const [taking, giving] = [new Taking(file, id("1"), 0, counted("t")), new Giving(file, id("1"), counted("g"))];
  const violation = expect.objectContaining({ reason: Reason.PROTOCOL_VIOLATION }) as Error;
  expect(() => taking.hear(giving.chunk(1, part(1)))).toThrow(violation);
  const zero = giving.chunk(0, part(0));
  taking.hear(zero);
  expect(() => taking.hear(zero)).toThrow(violation);
  for (const index of [1, 2]) taking.hear(giving.chunk(index, part(index)));
  expect(() => taking.hear(zero)).toThrow(violation);
});

it("a file that was changed in between fails its digest", () => {
  const taking = new Taking(file, id("1"), file.chunks, counted("t"));
  expect(taking.begin()).toBeNull();
  expect(() => taking.have(new Uint8Array(32))).toThrow(expect.objectContaining({ reason: Reason.FILE_CHANGED }) as Error);
  expect(() => new Giving(file, id("1"), counted("g")).chunk(0, new Uint8Array(3))).toThrow(expect.objectContaining({ reason: Reason.FILE_CHANGED }) as Error);
});

it("a word of another transfer, or from the same end, says nothing; a refusal is heard with its reason", () => {
  const giving = new Giving(file, id("1"), counted("g"));
  expect(() => giving.hear(new Taking(file, id("2"), 0, counted("t")).begin() ?? new Uint8Array())).toThrow();
  expect(() => giving.hear(giving.refuse(Reason.FILE_CHANGED))).toThrow(expect.objectContaining({ reason: Reason.PROTOCOL_VIOLATION }) as Error);
  expect(() => giving.hear(new Taking(file, id("1"), 0, counted("t")).refuse(Reason.STORE_FAILED))).toThrow(expect.objectContaining({ reason: Reason.STORE_FAILED }) as Error);
});

it("what is no description of a file, or too large a file, is refused", () => {
  expect(() => described(create(AttachmentSchema, { ...said, key: new Uint8Array(31) }))).toThrow(expect.objectContaining({ reason: Reason.BAD_REQUEST }) as Error);
  expect(() => described(create(AttachmentSchema, said), 10)).toThrow(expect.objectContaining({ reason: Reason.TOO_LARGE }) as Error);
});
