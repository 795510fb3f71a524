/**
 * How the worker gets at what is asked, and answers: through the page that has the device, or, while none has it, by a line of its own.
 *
 * It holds no stream for longer than that. docs/web-phone.md "Notifications", "One tab".
 */

import { type Reply, type Request, serve } from "../app/model/approvals.js";
import { aroundLinks, type Ground, lay } from "../app/model/ground.js";
import { Link } from "../app/model/link.js";
import { rng } from "../ground/clock.js";
import { borrow } from "../ground/ownership.js";
import { toldToWorker, type WorkerChoices } from "../ground/worker_choices.js";
import { hex } from "../protocol/bytes.js";
import { ID_BYTES } from "../protocol/ids.js";

declare const self: ServiceWorkerGlobalScope;

/** A page that sleeps does not answer, ms. */
const PAGE_MS = 20_000;

/** What a person chose, as far as the worker must know it. */
export async function choices(): Promise<WorkerChoices> {
  try {
    return await grounded(async ({ database, device }) => (await toldToWorker(database, device.vault)) ?? NOTHING);
  } catch {
    return NOTHING; // no database: fixed words, in the browser's language
  }
}

const NOTHING: WorkerChoices = { language: "", answerThere: false };

/** Asks whoever can answer; null when nobody can. */
export async function asked(request: Request): Promise<Reply | null> {
  const pages = await self.clients.matchAll({ type: "window" });
  const replies = await Promise.all(pages.map(async (page) => fromPage(page, request)));
  return replies.find((reply) => reply !== null) ?? borrow(async (over) => grounded(async (ground) => byItself(ground, request, over))).catch(() => null);
}

async function fromPage(page: Client, request: Request): Promise<Reply | null> {
  return new Promise((resolve) => {
    const { port1, port2 } = new MessageChannel();
    const answered = (reply: Reply | null): void => {
      clearTimeout(impatient);
      port1.close();
      resolve(reply);
    };
    const impatient = setTimeout(answered, PAGE_MS, null);
    port1.onmessage = ({ data }: MessageEvent<Reply | null>) => { answered(data); };
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
    return await serve(link, request);
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
