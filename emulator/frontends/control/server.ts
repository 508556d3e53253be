import type { Log } from "../../common/log.ts";
import type { HttpExchange } from "../http1/connection.ts";
import { type Listener, listen } from "../http1/listener.ts";
import { type ControlCall, refuse } from "./control-call.ts";
import { type Route, routes } from "./routes.ts";
import type { ControlTarget } from "./target.ts";

export type ControlFrontend = Listener;

const ROOT = "/_emulator";

/** Answers what lies under `/_emulator`. @returns false = it is for somebody else on this port, and not answered */
export const handleControl = (exchange: HttpExchange, target: ControlTarget, log: Log): boolean => {
  const { method, path } = exchange.head;
  if (path !== ROOT && !path.startsWith(`${ROOT}/`)) return false;
  try {
    answer(exchange, target);
  } catch (error) {
    log.error(`unexpected failure of ${method} ${path}: ${error instanceof Error ? error.stack : error}`);
    refuse(exchange, {
      status: 500,
      code: "internal",
      message: "internal error of the emulator",
      howToFix: "its log has the cause; this is a bug",
    });
  }
  return true;
};

/** The control API on a port of its own. Rejects with the error of listening. */
export const startControlFrontend = (
  options: { readonly address: string; readonly port: number },
  target: ControlTarget,
  log: Log,
): Promise<ControlFrontend> =>
  listen(
    {
      ...options,
      onRequest: (exchange) => {
        if (handleControl(exchange, target, log)) return;
        refuse(exchange, {
          status: 404,
          code: "unknown-route",
          message: `nothing is served at ${exchange.head.path}`,
          howToFix: `GET ${ROOT}/ lists what is`,
        });
      },
    },
    log,
  );

const answer = (exchange: HttpExchange, target: ControlTarget): void => {
  const { method, path } = exchange.head;
  const below = path.slice(ROOT.length + 1).replace(/\/$/, "");
  const found = routes.flatMap((route) => {
    const name = nameIn(route, below);
    return name === null ? [] : [{ route, name }];
  });
  if (found.length === 0) {
    refuse(exchange, {
      status: 404,
      code: "unknown-route",
      message: `there is no ${ROOT}/${below}`,
      howToFix: `GET ${ROOT}/ lists what there is`,
    });
    return;
  }
  const match = found.find(({ route }) => route.method === method);
  if (match === undefined) {
    const allowed = found.map(({ route }) => route.method).join(", ");
    const problem = {
      status: 405,
      code: "unknown-method",
      message: `${method} is not possible at ${ROOT}/${below}`,
      howToFix: `use ${allowed}`,
    };
    refuse(exchange, problem, ["Allow", allowed]);
    return;
  }
  const query = new URLSearchParams(exchange.head.query);
  const unknown = [...query.keys()].find((key) => !match.route.query.includes(key));
  if (unknown !== undefined) {
    refuse(exchange, {
      status: 400,
      code: "unknown-parameter",
      message: `${method} ${ROOT}/${below} does not take '${unknown}'`,
      howToFix:
        match.route.query.length === 0
          ? "it takes no parameters"
          : `it takes ${match.route.query.join(", ")}`,
    });
    return;
  }
  const call: ControlCall = { exchange, target, query, name: match.name };
  match.route.handle(call);
};

/** What stands for `{name}`; empty where the route has none; null = another route. */
const nameIn = ({ path }: Route, below: string): string | null => {
  if (!path.endsWith("{name}")) return path === below ? "" : null;
  const start = path.slice(0, -"{name}".length);
  if (!below.startsWith(start) || below.length === start.length) return null;
  return decoded(below.slice(start.length));
};

/** As it is where it is not percent-encoded as it should be. */
const decoded = (text: string): string => {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
};
