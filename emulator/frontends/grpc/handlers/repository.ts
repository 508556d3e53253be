import { fail, ok, type Result } from "../../../common/status.ts";
import type { LoadParameter } from "../../../core/inference-server.ts";
import {
  decodeRepositoryIndexRequest,
  decodeRepositoryModelRequest,
  encodeRepositoryIndex,
  type RepositoryParameter,
} from "../codec/repository.ts";
import { emptyResponse, type UnaryHandler } from "../handler.ts";

const unsupportedRepository = fail("UNSUPPORTED", "'repository_name' specification is not supported");

/** `RepositoryIndex` */
export const repositoryIndex: UnaryHandler = (server, request, done) => {
  const { repositoryName, ready } = decodeRepositoryIndexRequest(request);
  if (repositoryName !== "") {
    done(unsupportedRepository);
    return;
  }
  server.repositoryIndex(ready, (rows) => done(rows.ok ? ok(encodeRepositoryIndex(rows.value)) : rows));
};

/** `RepositoryModelLoad` */
export const repositoryModelLoad: UnaryHandler = (server, request, done) => {
  const { repositoryName, modelName, parameters } = decodeRepositoryModelRequest(request);
  if (repositoryName !== "") {
    done(unsupportedRepository);
    return;
  }
  const read = readLoadParameters(parameters);
  if (!read.ok) {
    done(read);
    return;
  }
  server.loadModel(modelName, read.value, (error) =>
    done(error === null ? emptyResponse : { ok: false, error }),
  );
};

const readLoadParameters = (
  parameters: ReadonlyMap<string, RepositoryParameter>,
): Result<readonly LoadParameter[]> => {
  const read: LoadParameter[] = [];
  for (const [name, parameter] of parameters) {
    if (name === "config") {
      if (parameter.kind !== "string") return wrongLoadType(name, "string_param");
      read.push({ kind: "config", json: parameter.value });
    } else if (name.startsWith("file:")) {
      if (parameter.kind !== "bytes") return wrongLoadType(name, "bytes_param");
      read.push({ kind: "file", path: name.slice("file:".length), content: parameter.value });
    } else return fail("INVALID_ARG", `unrecognized load parameter '${name}'.`);
  }
  return ok(read);
};

const wrongLoadType = (name: string, expected: string): ReturnType<typeof fail> =>
  fail("INVALID_ARG", `invalid value type for load parameter '${name}', expected ${expected}.`);

/** `RepositoryModelUnload` */
export const repositoryModelUnload: UnaryHandler = (server, request, done) => {
  const { repositoryName, modelName, parameters } = decodeRepositoryModelRequest(request);
  if (repositoryName !== "") {
    done(unsupportedRepository);
    return;
  }
  const dependents = parameters.get("unload_dependents") ?? { kind: "bool", value: false };
  if (dependents.kind !== "bool") {
    done(fail("INVALID_ARG", "invalid value type for 'unload_dependents' parameter, expected bool_param."));
    return;
  }
  server.unloadModel(modelName, dependents.value, (error) =>
    done(error === null ? emptyResponse : { ok: false, error }),
  );
};
