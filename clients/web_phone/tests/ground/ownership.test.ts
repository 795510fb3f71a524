/** Who has the device: one tab, or a worker that gives it to the first tab that comes; never two, and no tab's is taken without asking. */

import { afterEach, beforeEach, expect, it, vi } from "vitest";

import { borrow, own } from "../../src/ground/ownership.js";

type Held = { name: string; clientId: string; taken(): void };

/** Locks as a browser has them, for several clients in one process: who asks next is `client`. */
class Locks {
  client = "";
  private held: Held[] = [];
  private waiting: { name: string; grant(): void }[] = [];

  query = async () => Promise.resolve({ held: this.held.map(({ name, clientId }) => ({ name, clientId })) });

  request = async (name: string, ...rest: unknown[]): Promise<unknown> => {
    const [options, use] = (rest.length === 1 ? [{}, rest[0]] : rest) as [{ steal?: boolean; ifAvailable?: boolean }, (lock: unknown) => Promise<unknown>];
    const clientId = this.client;
    const other = this.held.find((one) => one.name === name);
    if (other !== undefined && options.steal === true) {
      this.held = this.held.filter((one) => one !== other);
      other.taken();
    } else if (other !== undefined) {
      if (options.ifAvailable === true) return use(null);
      await new Promise<void>((resolve) => this.waiting.push({ name, grant: resolve }));
    }
    return new Promise((resolve, reject) => {
      const mine: Held = { name, clientId, taken: () => { reject(new DOMException("stolen", "AbortError")); } };
      this.held.push(mine);
      use({ name }).then(resolve, reject).finally(() => {
        this.held = this.held.filter((one) => one !== mine);
        const next = this.waiting.findIndex((one) => one.name === name);
        if (next >= 0) this.waiting.splice(next, 1)[0]?.grant();
      });
    });
  };
}

let locks: Locks;
beforeEach(() => {
  locks = new Locks();
  vi.stubGlobal("navigator", { locks });
});
afterEach(() => { vi.unstubAllGlobals(); });

async function tab(name: string, takeOver = false): Promise<{ owns: boolean; lost: string[] }> {
  const lost: string[] = [];
  locks.client = name;
  return { owns: await own(takeOver, () => { lost.push(name); }), lost };
}

it("a tab takes the device from a worker, and the next one does not take it from that tab, though the worker is still letting go", async () => {
  let letGo = (): void => undefined;
  locks.client = "worker";
  const borrowing = borrow(async () => new Promise<string>((resolve) => { letGo = () => { resolve("done"); }; }));
  await Promise.resolve();

  const first = await tab("first");
  const second = await tab("second");

  expect([first.owns, second.owns, first.lost]).toEqual([true, false, []]);
  letGo();
  expect(await borrowing).toBeNull();
});

it("two tabs that start at once beside a worker do not take it from each other", async () => {
  locks.client = "worker";
  void borrow(async () => new Promise<never>(() => undefined));
  await Promise.resolve();

  const [first, second] = await Promise.all([tab("first"), tab("second")]);

  expect([first.owns, second.owns, first.lost]).toEqual([true, false, []]);
});

it("a person who takes it over has it, and the other tab hears so", async () => {
  const first = await tab("first");
  const second = await tab("second", true);

  expect([second.owns, first.lost]).toEqual([true, ["first"]]);
});
