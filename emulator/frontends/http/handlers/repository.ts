import { upToNul } from "../../../common/c-string.ts";
import { fail, ok, type Result, TritonError } from "../../../common/status.ts";
import type { LoadParameter, RepositoryIndexRow } from "../../../core/inference-server.ts";
import { asBoolean, asString, membersOf, optionalMember, parseJson } from "../../kserve-json/json-reader.ts";
import { jsonString } from "../../kserve-json/json-writer.ts";
import { emptyJsonReply, errorReply, jsonReply } from "../../kserve-json/reply.ts";
import { type HttpHandler, outcome } from "../handler.ts";

/** `POST /v2/repository[/{r}]/index`; the repository's name is ignored. */
export const repositoryIndex: HttpHandler = ({ server, body }, reply) => {
  const readyOnly = readReadyOnly(body);
  if (!readyOnly.ok) {
    reply(errorReply(readyOnly.error));
    return;
  }
  server.repositoryIndex(readyOnly.value, (rows) => {
    reply(rows.ok ? jsonReply(`[${rows.value.map(rowJson).join(",")}]`) : errorReply(rows.error));
  });
};

const readReadyOnly = (body: Buffer): Result<boolean> => {
  if (body.length === 0) return ok(false);
  const parsed = parseJson(body);
  if (!parsed.ok) return parsed;
  const ready = optionalMember(parsed.value, "ready");
  return ready === undefined ? ok(false) : asBoolean(ready);
};

const rowJson = ({ name, version, state, reason }: RepositoryIndexRow): string => {
  let text = `{"name":${jsonString(name)}`;
  if (version !== undefined) text += `,"version":${jsonString(version)}`;
  if (state !== undefined) text += `,"state":"${state}"`;
  if (reason !== undefined) text += `,"reason":${jsonString(reason)}`;
  return `${text}}`;
};

const repositoryNameRefused = (): TritonError =>
  new TritonError("UNSUPPORTED", "'repository_name' specification is not supported");

/** `POST /v2/repository/models/{m}/load` */
export const repositoryModelLoad: HttpHandler = ({ server, groups, body }, reply) => {
  if (groups.repository !== undefined) {
    reply(errorReply(repositoryNameRefused()));
    return;
  }
  const parameters = readLoadParameters(body);
  if (!parameters.ok) {
    reply(errorReply(parameters.error));
    return;
  }
  server.loadModel(groups.model!, parameters.value, (error) => reply(outcome(error, emptyJsonReply)));
};

/** A body that is not an object loads normally (seen on 2.51.0). */
const readLoadParameters = (body: Buffer): Result<readonly LoadParameter[]> => {
  if (body.length === 0) return ok([]);
  const parsed = parseJson(body);
  if (!parsed.ok) return parsed;
  const field = optionalMember(parsed.value, "parameters");
  if (field === undefined) return ok([]);
  const members = membersOf(field);
  if (!members.ok) return members;
  const parameters: LoadParameter[] = [];
  for (const [written] of members.value.entries()) {
    const name = upToNul(written);
    // Of several with one name the first is read each time.
    const value = members.value.find(name);
    if (value === undefined)
      return fail("INTERNAL", `attempt to access non-existing object member '${name}'`);
    const text = asString(value);
    if (!text.ok) return text;
    if (name === "config") parameters.push({ kind: "config", json: text.value });
    else if (name.startsWith("file:")) {
      parameters.push({
        kind: "file",
        path: name.slice("file:".length),
        content: Buffer.from(text.value, "base64"),
      });
    } else return fail("INTERNAL", "unexpected error on creating Triton parameter");
  }
  return ok(parameters);
};

/** `POST /v2/repository/models/{m}/unload`: a bad body unloads all the same (seen on 2.51.0). */
export const repositoryModelUnload: HttpHandler = ({ server, groups, body }, reply) => {
  if (groups.repository !== undefined) {
    reply(errorReply(repositoryNameRefused()));
    return;
  }
  server.unloadModel(groups.model!, readUnloadDependents(body), (error) =>
    reply(outcome(error, emptyJsonReply)),
  );
};

const readUnloadDependents = (body: Buffer): boolean => {
  const parsed = parseJson(body);
  if (!parsed.ok) return false;
  const parameters = optionalMember(parsed.value, "parameters");
  return parameters !== undefined && optionalMember(parameters, "unload_dependents") === true;
};
