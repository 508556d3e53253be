import type { InProcessContainer } from "../aws/containers/in-process-container.ts";
import { silentLog } from "../common/log.ts";
import type { ServerStart } from "../core/memory/ledger.ts";
import type { TritonServer, TritonServerOptions } from "../core/triton-server.ts";
import { createDispatch } from "../frontends/http/server.ts";
import type { HttpExchange } from "../frontends/http1/connection.ts";
import type { HttpReply } from "../frontends/http1/reply.ts";
import { TARGET_MODEL_HEADER } from "../frontends/sagemaker/container-api.ts";
import type { SimulatedContainer } from "../simulation/simulated-container.ts";
import type { Level, ScenarioWords } from "./schema.ts";

/** What came back over a wire. */
export interface Answer {
  readonly status: number;
  readonly text: string;
}

/** The model repository of scenarios that speak to Triton itself. */
export const TRITON_REPOSITORY = "/models";

const SECOND_US = 1_000_000;

/** The flags that a scenario sets, those of its level first: without a platform the server has a repository of its own. */
export const tritonFlags = (
  words: NonNullable<ScenarioWords["server"]>,
  level: Level,
): Partial<TritonServerOptions> => {
  const flags = {
    ...(level === "triton" ? { modelRepositories: [TRITON_REPOSITORY], modelNamespacing: false } : {}),
    modelControlMode: words.model_control_mode,
    repositoryPollSecs: words.repository_poll === undefined ? undefined : words.repository_poll / SECOND_US,
    startupModels: words.load_model,
    strictReadiness: words.strict_readiness,
    exitOnError: words.exit_on_error,
    autoCompleteConfig: words.auto_complete_config,
    modelLoadThreadCount: words.load_thread_count,
    modelLoadRetryCount: words.load_retry_count,
  };
  return Object.fromEntries(Object.entries(flags).filter(([, value]) => value !== undefined));
};

/** What the server takes at its start, where a scenario says so. */
export const serverStart = (words: NonNullable<ScenarioWords["server"]>): ServerStart => {
  const start = {
    pinnedPoolBytes: words.pinned_memory_pool_byte_size,
    responseCacheBytes: words.cache_size,
    stubRegionBytes: words.shm_default_byte_size,
    orphanedShmBytes: words.orphaned_shm,
  };
  return Object.fromEntries(Object.entries(start).filter(([, value]) => value !== undefined));
};

const dispatches = new WeakMap<TritonServer, (exchange: HttpExchange) => void>();

/** A request to Triton's HTTP port. Nobody answers where nothing listens, or where tritonserver dies over it. */
export const callTriton = (
  simulated: SimulatedContainer,
  method: string,
  path: string,
  body: string | Uint8Array,
  answered: (answer: Answer | null) => void,
): void => {
  const server = simulated.server();
  if (server === null) {
    answered(null);
    return;
  }
  let dispatch = dispatches.get(server);
  if (dispatch === undefined) {
    dispatch = createDispatch(server, { restrictedApis: [], headerForwardPattern: null }, silentLog);
    dispatches.set(server, dispatch);
  }
  dispatch(
    exchangeOf(method, path, body, new Map(), (answer) =>
      answered(simulated.server() === server ? answer : null),
    ),
  );
};

/** A request to the container API as it goes over the wire. */
export const callContainer = (
  container: InProcessContainer,
  method: string,
  path: string,
  body: string,
  targetModel: string | undefined,
  answered: (answer: Answer | null) => void,
): void => {
  const headers = new Map(targetModel === undefined ? [] : [[TARGET_MODEL_HEADER, targetModel]]);
  container.handle(exchangeOf(method, path, body, headers, answered));
};

const exchangeOf = (
  method: string,
  path: string,
  body: string | Uint8Array,
  headers: ReadonlyMap<string, string>,
  answered: (answer: Answer | null) => void,
): HttpExchange => {
  const bytes = Buffer.from(body);
  return {
    head: {
      method,
      path,
      query: "",
      versionMinor: 1,
      headers,
      rawHeaders: [...headers].map(([name, value]) => ({ name, value })),
      contentLength: bytes.length,
      keepAlive: true,
      expectsContinue: false,
    },
    body: bytes,
    headUs: 0,
    reply: (reply) => answered(answerOf(reply)),
    stream: () => null,
  };
};

const answerOf = ({ status, body, breakAfterBytes }: HttpReply): Answer | null =>
  breakAfterBytes === undefined ? { status, text: Buffer.concat(body).toString() } : null;
