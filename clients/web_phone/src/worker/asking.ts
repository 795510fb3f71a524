/**
 * How the worker gets at what is asked, and answers: through the page that has the device, or, while none has it, by a line of its own.
 *
 * It holds no stream for longer than that. docs/web-phone.md "Notifications", "One tab".
 */

import { ANSWERED_MS, PATIENCE_MS, type Reply, type Request, serve, WITHDRAWN } from "../app/model/approvals.js";
import { aroundLinks, type Ground, lay } from "../app/model/ground.js";
import { Link } from "../app/model/link.js";
import { rng } from "../ground/clock.js";
import { borrow } from "../ground/ownership.js";
import { toldToWorker, type WorkerChoices } from "../ground/worker_choices.js";
import { hex } from "../protocol/bytes.js";
import { ID_BYTES } from "../protocol/ids.js";

declare const self: ServiceWorkerGlobalScope;

/** A page that sleeps does not answer. So long behind the moment at which one that is awake has, ms, it is given up. */
const BEHIND_MS = 3_000;
/** What a page that sleeps says. */
const SILENCE = "silence";

/** What is wanted of whoever can answer. */
export type Wish = Extract<Request, { ask: "newest" }> | Omit<Extract<Request, { ask: "answer" }>, "beginByMs">;

/** What a person chose, as far as the worker must know it. */
export async function choices(): Promise<WorkerChoices> {
  try {
    return await grounded(async ({ database, device }) => (await toldToWorker(database, device.vault)) ?? NOTHING);
  } catch {
    return NOTHING; // no database: fixed words, in the browser's language
  }
}

const NOTHING: WorkerChoices = { language: "", answerThere: false };

/** Asks whoever can answer; null when nobody can, and nothing was done. */
export async function asked(wish: Wish): Promise<Reply | null> {
  const pages = await self.clients.matchAll({ type: "window" });
  const settled = new AbortController();
  const request = timed(wish);
  const asking = pages.map(async (page) => fromPage(page, request, settled.signal));
  const reply = await Promise.any(asking.map(async (one) => spoken(await one))).catch(() => null);
  settled.abort();
  if (reply !== null) return reply;
  const own = await borrow(async (over) => grounded(async (ground) => byItself(ground, timed(wish), over))).catch(() => null);
  if (own !== null || !(await Promise.all(asking)).includes(SILENCE)) return own;
  // It may have begun, and have gone to sleep then.
  return { became: wish.ask === "answer" ? "not_known" : null, waiting: null };
}

function timed(wish: Wish): Request {
  return wish.ask === "newest" ? wish : { ...wish, beginByMs: Date.now() + PATIENCE_MS };
}

function spoken(said: Reply | typeof SILENCE | null): Reply {
  if (said === null || said === SILENCE) throw new Error("no answer");
  return said;
}

/** Asks a page; null from one that can't say, SILENCE from one that does not. It hears when its answer is not waited for any more. */
async function fromPage(page: Client, request: Request, settled: AbortSignal): Promise<Reply | typeof SILENCE | null> {
  return new Promise((resolve) => {
    const { port1, port2 } = new MessageChannel();
    const settle = (reply: Reply | typeof SILENCE | null): void => {
      clearTimeout(patience);
      settled.removeEventListener("abort", giveUp);
      port1.close();
      resolve(reply);
    };
    const giveUp = (): void => {
      port1.postMessage(WITHDRAWN);
      settle(SILENCE);
    };
    const patience = setTimeout(giveUp, (request.ask === "answer" ? ANSWERED_MS : PATIENCE_MS) + BEHIND_MS);
    settled.addEventListener("abort", giveUp, { once: true });
    port1.onmessage = ({ data }: MessageEvent<Reply | null>) => { settle(data); };
    page.postMessage(request, [port2]);
  });
}

async function byItself(ground: Ground, request: Request, over: AbortSignal): Promise<Reply | null> {
  const kept = (await ground.pairings.all()).find(({ pairId }) => hex(pairId) === request.pairing);
  if (kept === undefined) return null;
  const link = new Link(kept, aroundLinks(ground, rng(ID_BYTES), { signInNeeded: () => undefined, activated: () => undefined }));
  over.addEventListener("abort", () => { link.close(); }, { once: true });
  try {
    await link.open();
    return await serve(link, request, over);
  } finally {
    link.close();
  }
}

async function grounded<T>(use: (ground: Ground) => Promise<T>): Promise<T> {
  const ground = await lay();
  try {
    return await use(ground);
  } finally {
    ground.database.close();
  }
}
