import type { Log } from "../../common/log.ts";
import { ok, type Result, type TritonError } from "../../common/status.ts";
import type { FaultSource } from "../../core/faults/fault-source.ts";
import type { InferenceServer } from "../../core/inference-server.ts";
import type { RepositoryRegistry } from "../../core/repository-registry.ts";
import type { Storage } from "../../core/storage.ts";
import type { HttpReply } from "../http1/reply.ts";
import { asString, type JsonValue, optionalMember, parseJson } from "../kserve-json/json-reader.ts";
import { emptyReply, plainErrorReply } from "../kserve-json/reply.ts";
import { locateModel } from "./model-folder.ts";
import type { ModelList } from "./model-list.ts";
import { tellsOutOfMemory } from "./out-of-memory.ts";
import type { ServerPorts } from "./server-ports.ts";

interface LoadRequest {
  /** The platform's name for the model, a hash. */
  readonly name: string;
  /** The folder that holds the unpacked archive. */
  readonly url: string;
}

/**
 * The body of a load. What ends the real server (no JSON, members of other types) is an error here. An empty body, an array
 * or no url at all make an empty url, which no repository is found at.
 */
const readLoadRequest = (body: Buffer): Result<LoadRequest> => {
  if (body.length === 0) return ok({ name: "", url: "" });
  const parsed = parseJson(body);
  if (!parsed.ok) return parsed;
  const name = stringMember(parsed.value, "model_name");
  if (!name.ok) return name;
  const url = stringMember(parsed.value, "url");
  if (!url.ok) return url;
  return ok({ name: name.value, url: url.value });
};

const stringMember = (value: JsonValue, name: string): Result<string> => {
  const member = optionalMember(value, name);
  return member === undefined ? ok("") : asString(member);
};

export interface LoadDependencies {
  readonly server: InferenceServer & RepositoryRegistry;
  readonly storage: Storage;
  readonly models: ModelList;
  readonly log: Log;
  readonly faults: FaultSource;
  readonly ports: ServerPorts;
  /** tritonserver would have died here. */
  readonly onCrash: (because: string) => void;
  /** It would never be answered. */
  readonly onHang: () => void;
}

/** `POST /models` (spec/sagemaker-mme.md 1.6). @param targetModel becomes the name of the Triton model; undefined = the platform's */
export const loadModel = (
  body: Buffer,
  targetModel: string | undefined,
  { server, storage, models, log, faults, ports, onCrash, onHang }: LoadDependencies,
  reply: (reply: HttpReply) => void,
): void => {
  const request = readLoadRequest(body);
  const asReal = faults.imitates("load-body-crash");
  if (!request.ok) {
    if (asReal) onCrash(`a load whose body cannot be read (load-body-crash): ${request.error.message}`);
    else reply(plainErrorReply(400, request.error.message));
    return;
  }
  const { name, url } = request.value;
  if (name === "" && url !== "") {
    // The real server loads a model without a name and never answers.
    if (asReal) onHang();
    else reply(plainErrorReply(400, "a load needs the name of the model in 'model_name'"));
    return;
  }
  const model = targetModel ?? name;
  log.info(`Loading SageMaker TargetModel: ${targetModel ?? ""}`);
  if (model.includes("/") && faults.imitates("slash-in-name")) {
    reply(plainErrorReply(400, nameRefused(model)));
    return;
  }
  const started = faults.imitates("ports-run-out") && !models.has(name) ? ports.take() : () => {};
  if (started === null) {
    reply(plainErrorReply(507, NO_PORTS));
    return;
  }
  const answer = (sent: HttpReply): void => {
    started();
    reply(sent);
  };
  locateModel(storage, url, ({ repository, folder }) => {
    server.registerRepository(repository, new Map([[folder, model]]), (refused) => {
      if (refused !== null) {
        answer(plainErrorReply(refused.code === "ALREADY_EXISTS" ? 409 : 400, refused.message));
        return;
      }
      server.loadModel(model, [], (error) => {
        if (error === null) {
          // A name that is listed keeps its first repository (2.51.0).
          if (!models.has(name)) models.set(name, repository);
          answer(emptyReply(200));
          return;
        }
        server.unregisterRepository(repository);
        answer(plainErrorReply(statusOf(error), error.message));
      });
    });
  });
};

/** In the words of the container of TensorFlow Serving. */
const NO_PORTS = "Memory exhausted: no available ports to load the model.";

/** Of releases from 26.03 on (spec/sagemaker-mme.md 1.6). */
const nameRefused = (model: string): string =>
  `invalid model name '${model}', model name must not contain path traversal characters`;

const statusOf = ({ message }: TritonError): number => (tellsOutOfMemory(message) ? 507 : 400);
