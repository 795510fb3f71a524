/** A pairing link, pasted: another service's, and one whose end is missing. */

import { expect, it } from "vitest";

import { codeFor } from "../../src/app/model/code.js";
import { utf8 } from "../../src/protocol/bytes.js";
import { Reason } from "../../src/protocol/dispatch/api/error/v1/error_pb.js";
import { SCHEME } from "../../src/protocol/pairing/link.js";

const SERVICE = "pairing.example:7301";
const base64url = (...bytes: number[]): string => btoa(String.fromCharCode(...bytes)).replaceAll("+", "-").replaceAll("/", "_").replace(/=+$/, "");
const linkOf = (service: string): string => SCHEME + base64url(1, ...new Uint8Array(80), ...utf8(service));

it("a code of the service is read, and one of another service is said to be that", () => {
  expect(codeFor(SERVICE, ` ${linkOf(SERVICE)}\n`).service).toBe(SERVICE);
  expect(() => codeFor(SERVICE, linkOf("other.example"))).toThrow("OTHER_SERVICE");
  expect(() => codeFor(SERVICE, `${SCHEME}${base64url(2, 0)}`)).toThrow("APP_TOO_OLD");
});

it("a link without its end is no code, wherever it was cut, and is not taken for one of another service", () => {
  const link = linkOf(SERVICE);

  for (let end = 0; end < link.length; end++) {
    expect(() => codeFor(SERVICE, link.slice(0, end))).toThrow(Reason[Reason.NOT_A_PAIRING_CODE]);
  }
});
