import type { HttpReply } from "../http1/reply.ts";
import { jsonString } from "../kserve-json/json-writer.ts";
import { emptyReply } from "../kserve-json/reply.ts";

/** The models that the platform has loaded: the name it gave each (a hash) -> the repository that holds it. */
export type ModelList = Map<string, string>;

const okText = (text: string): HttpReply => ({ status: 200, headers: [], body: [Buffer.from(text)] });

const entry = (name: string, repository: string): string =>
  `{"modelName":${jsonString(name)},"modelUrl":${jsonString(repository)}}`;

/**
 * `GET /models`. An entry is filled only where version 1 of a Triton model with the platform's own name is ready; where a
 * TargetModel gave the Triton model its name it is `{}` (2.51.0).
 */
export const listReply = (models: ModelList, isReady: (name: string) => boolean): HttpReply => {
  const entries = [...models].map(([name, repository]) => (isReady(name) ? entry(name, repository) : "{}"));
  return okText(`{"models":[${entries.join(",")}]}`);
};

/** `GET /models/{name}` */
export const getReply = (models: ModelList, name: string): HttpReply => {
  const repository = models.get(name);
  return repository === undefined ? emptyReply(404) : okText(entry(name, repository));
};
