/** What a person types to sign in, read: pure. What is no value at all is said here and by its name; a service would only say that one is missing. */

import { deviceName, NameInvalid } from "../../protocol/names.js";

export type Field = "server" | "account" | "device";

/** What the service is asked with. */
export interface Typed {
  readonly server: string;
  readonly account: string;
  readonly password: string;
  readonly deviceName: string;
}

/** Reads a form by the names of its fields. Gives the first field that has no value that could be one, else what was typed. */
export function typed(field: (name: string) => string): Typed | Field {
  const [server, account] = [addressOf(field("server")), field("account").trim()];
  if (server === "") return "server";
  if (account === "") return "account";
  try {
    return { server, account, password: field("password"), deviceName: deviceName(field("device")) };
  } catch (problem) {
    if (problem instanceof NameInvalid) return "device";
    throw problem;
  }
}

/** Takes an address as people paste it: without a scheme, and with the port that the scheme stands for. Empty for what is no address. */
export function addressOf(written: string): string {
  const bare = written.trim().replace(/^https?:\/\//, "").replace(/\/.*$/, "");
  const address = /:[0-9]+$/.test(bare) ? bare : `${bare}:443`;
  return URL.canParse(`https://${address}`) && !/[\s@?#]/.test(address) ? address : "";
}
