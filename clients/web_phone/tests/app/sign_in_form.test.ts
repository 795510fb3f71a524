/** What is typed to sign in: what is no value is said by its name, and what no service said is known as that. */

import { create } from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";
import { expect, it } from "vitest";

import { addressOf, typed } from "../../src/app/model/sign_in_form.js";
import { Reason } from "../../src/protocol/dispatch/api/error/v1/error_pb.js";
import { Unheard } from "../../src/protocol/errors.js";
import { ErrorInfoSchema } from "../../src/protocol/google/rpc/error_details_pb.js";
import { refusalOf } from "../../src/protocol/pairing/proven.js";

const WHOLE = { server: "https://pairing.example/", account: " grace ", password: " as it is ", device: " pocket " };
const form = (change: Partial<typeof WHOLE>) => typed((name) => ({ ...WHOLE, ...change })[name as keyof typeof WHOLE]);

it("what is typed is tidied, and the password is not", () => {
  expect(form({})).toEqual({ server: "pairing.example:443", account: "grace", password: " as it is ", deviceName: "pocket" });
});

it.each([["server", "  "], ["server", "pairing example:443"], ["server", "you@pairing.example"], ["account", " "], ["device", "   "], ["device", "a\u202eb"]] as const)("a %s of %j is said by its name", (field, value) => {
  expect(form({ [field]: value })).toBe(field);
});

it("an address is taken as people paste it", () => {
  expect(["pairing.example", "pairing.example:7301", "https://[::1]:7301/x"].map(addressOf)).toEqual(["pairing.example:443", "pairing.example:7301", "[::1]:7301"]);
});

it("what no Dispatch service said is known as that: nobody answers, no certificate that is believed, another server's page", () => {
  for (const code of [Code.Unavailable, Code.Unknown, Code.Unimplemented, Code.DeadlineExceeded]) expect(refusalOf(new ConnectError("", code))).toBeInstanceOf(Unheard);
  expect(refusalOf(new TypeError("Failed to fetch"))).toBeInstanceOf(Unheard);

  const said = new ConnectError("", Code.Unauthenticated, undefined, [{ desc: ErrorInfoSchema, value: create(ErrorInfoSchema, { domain: "dispatch", reason: "SIGN_IN_FAILED" }) }]);

  expect(refusalOf(said)).not.toBeInstanceOf(Unheard);
  expect(refusalOf(said)).toMatchObject({ reason: Reason.SIGN_IN_FAILED });
});
