import type { ControlCall } from "./control-call.ts";
import { jsonReply } from "./control-reply.ts";
import { advanceClock } from "./handlers/clock.ts";
import { explainFromJournal } from "./handlers/explain.ts";
import { addFaults, listFaults, removeAllFaults, removeFault } from "./handlers/faults.ts";
import { health } from "./handlers/health.ts";
import { journal } from "./handlers/journal.ts";
import { memory } from "./handlers/memory.ts";
import { reset } from "./handlers/reset.ts";

export interface Route {
  readonly method: "GET" | "POST" | "DELETE";
  /** Below `/_emulator/`; a last segment `{name}` is any text. */
  readonly path: string;
  /** Query parameters it takes. */
  readonly query: readonly string[];
  readonly summary: string;
  readonly handle: (call: ControlCall) => void;
}

const listRoutes = ({ exchange }: ControlCall): void =>
  exchange.reply(
    jsonReply({
      routes: routes.map(({ method, path, query, summary }) => ({
        method,
        path: `/_emulator/${path}`,
        query,
        summary,
      })),
    }),
  );

/** Every route of the control API; docs/explain.md shows them. */
export const routes: readonly Route[] = [
  { method: "GET", path: "", query: [], summary: "this list", handle: listRoutes },
  { method: "GET", path: "health", query: [], summary: "200 when ready, else 503", handle: health },
  {
    method: "POST",
    path: "reset",
    query: ["scope"],
    summary: "set back all, or one scope: models, metrics, journal",
    handle: reset,
  },
  { method: "POST", path: "clock", query: [], summary: "move the clock ahead", handle: advanceClock },
  {
    method: "GET",
    path: "journal",
    query: ["follow", "since", "model", "request", "instance"],
    summary: "the journal as JSON lines; with follow, as it is written",
    handle: journal,
  },
  {
    method: "GET",
    path: "memory",
    query: ["model", "instance", "allocations"],
    summary: "the ledger by pool, process and model",
    handle: memory,
  },
  { method: "GET", path: "faults", query: [], summary: "fault rules and their counts", handle: listFaults },
  { method: "POST", path: "faults", query: [], summary: "add fault rules", handle: addFaults },
  { method: "DELETE", path: "faults", query: [], summary: "remove all faults", handle: removeAllFaults },
  { method: "DELETE", path: "faults/{name}", query: [], summary: "remove one fault", handle: removeFault },
  {
    method: "GET",
    path: "explain",
    query: ["request", "model", "endpoint"],
    summary: "what became of a request, a model or an endpoint, and why",
    handle: explainFromJournal,
  },
];
