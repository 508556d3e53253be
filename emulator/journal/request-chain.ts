import type { JournalEvent } from "./event.ts";
import type { EventOf, History, RequestHistory, Resident } from "./history.ts";

/** All that happened for one request, or while it waited and to its model. */
export interface RequestChain {
  readonly id: string;
  /** Null = it is no invocation: somebody asked the container himself. */
  readonly request: RequestHistory | null;
  readonly resident: Resident;
  readonly startUs: number;
  /** Of the answer, or the journal's end. */
  readonly endUs: number;
  /** In order; without the request's own `invocation` and `answer`. */
  readonly events: readonly JournalEvent[];
  /** The request that was already bringing the model in when this one came; null = none. */
  readonly broughtBy: string | null;
}

const ofTheModel: ReadonlySet<string> = new Set([
  "placed",
  "download",
  "unpacked",
  "artifact-refused",
  "load",
  "load-answer",
  "eviction",
  "refused",
  "freeze-risk",
  "fault",
  "killed",
  "step",
]);

const ofTheInstance: ReadonlySet<string> = new Set(["container-died", "container-started", "ping"]);

/** Null = the journal has no such request. */
export const chainOf = (history: History, id: string): RequestChain | null => {
  const request = history.request(id) ?? null;
  const first = request?.invocation ?? history.operation(id);
  if (first === undefined) return null;
  const resident = { instance: first.instance, model: first.model ?? "" };
  const startUs = first.atUs;
  const endUs = request === null ? lastOf(history, id) : (request.answer?.atUs ?? history.endUs);
  const isOfInstance = ({ event, instance }: JournalEvent): boolean =>
    instance === resident.instance || (event === "fault" && instance === undefined);
  const start = history.events.indexOf(first);
  const end = history.events.findLastIndex(({ atUs }) => atUs <= endUs);
  const isWithin = (index: number): boolean => index >= start && index <= end;
  const isAboutModel = (event: JournalEvent): boolean =>
    event.model === resident.model || (event.event === "killed" && event.newcomer === resident.model);
  const belongs = (event: JournalEvent, index: number): boolean => {
    if (event.event === "invocation" || event.event === "answer" || event.event === "bytes") return false;
    if (event.event === "model-state") return false;
    if (event.request === id) return true;
    if (event.event === "fault" && isOfAnyRequest(history, event)) return false;
    if (!isWithin(index) || !isOfInstance(event)) return false;
    return ofTheInstance.has(event.event) || (ofTheModel.has(event.event) && isAboutModel(event));
  };
  const events = history.events.filter(belongs);
  // Where another request loads the model, its unloads of others are waited for as well.
  const loaders = new Set(events.flatMap((event) => event.request ?? []));
  const unloads = history.events.filter(
    (event, index) =>
      (event.event === "unload" || event.event === "unload-answer") &&
      event.request !== id &&
      event.request !== undefined &&
      loaders.has(event.request) &&
      isWithin(index) &&
      isOfInstance(event),
  );
  return {
    id,
    request,
    resident,
    startUs,
    endUs,
    events: unloads.length === 0 ? events : inOrder(history, new Set([...events, ...unloads])),
    broughtBy:
      request === null || request.invocation.cacheHit
        ? null
        : pendingLoader(history, resident, request.invocation),
  };
};

const lastOf = (history: History, id: string): number =>
  history.events.findLast(({ request }) => request === id)?.atUs ?? history.endUs;

/** A fault at an inference says not whose: with several in flight nobody knows. */
const isOfAnyRequest = (history: History, { operation, request, model, atUs }: EventOf<"fault">): boolean =>
  request === undefined &&
  (operation === "infer" || operation === "respond") &&
  history.inFlight(history.instancesOf(model ?? ""), atUs) > 1;

/** Events at one time keep their order. */
const inOrder = (history: History, chosen: ReadonlySet<JournalEvent>): readonly JournalEvent[] =>
  history.events.filter((event) => chosen.has(event));

/** Who had begun to fetch or load the model before, and was not done. */
const pendingLoader = (
  history: History,
  { instance, model }: Resident,
  invocation: EventOf<"invocation">,
): string | null => {
  let loader: string | null = null;
  for (const event of history.events) {
    if (event === invocation) return loader === invocation.request ? null : loader;
    if (event.model !== model || event.instance !== instance) continue;
    if (event.event === "download" || event.event === "load") loader = event.request ?? null;
    else if (event.event === "artifact-refused") loader = null;
    else if (event.event === "load-answer" && event.status !== 507) loader = null;
    else if (event.event === "answer" && event.request === loader && event.status >= 400) loader = null;
  }
  return null;
};
