/** Reads the events of a thread, whose bytes stay as they were signed. What is in them is the host's, and bounded here, once, for whoever shows it. */

import { fromBinary } from "@bufbuild/protobuf";

import type { Bytes } from "../bytes.js";
import { type Event, EventSchema } from "../dispatch/api/thread/v1/thread_pb.js";
import { boundedMoment } from "../moments.js";

/** Reads an event that has its place in the thread, with moments that can be shown. */
export function eventOf(content: Bytes): Event {
  const event = fromBinary(EventSchema, content);
  event.atMs = boundedMoment(event.atMs);
  const { event: what } = event;
  if (what.case === "scheduled") what.value.dueAtMs = boundedMoment(what.value.dueAtMs);
  if (what.case === "missed") [what.value.fromMs, what.value.toMs] = [boundedMoment(what.value.fromMs), boundedMoment(what.value.toMs)];
  return event;
}
