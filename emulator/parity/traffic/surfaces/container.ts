import { type JsonText, object, string } from "../../exchange/json-text.ts";
import type { Chance } from "../chance.ts";
import { inferenceJson, soundInference } from "../inference.ts";
import { mutatedJson } from "../mutation.ts";
import { bodyBytes, get, type HttpTraffic, plainBody, post } from "../request.ts";
import type { Surface, World } from "../surface.ts";
import { binaryBody } from "./infer-binary.ts";

const BINARY = "application/vnd.sagemaker-triton.binary+json;json-header-size=";
const TARGET = "X-Amzn-SageMaker-Target-Model";

/** Names that the platform gives to models; the first two are loaded now and then, from folders beside the repository. */
const hashes = ["h1", "h2", "h3", "none"];

export const container: Surface = {
  name: "container",
  title: "container API of SageMaker",
  weight: 10,
  changes: true,
  make: (chance, world): HttpTraffic => {
    const hash = chance.pick(hashes);
    switch (chance.below(10)) {
      case 0:
        return get("/ping", "sagemaker");
      case 1:
        return get(
          chance.pick([
            "/models",
            "/models/",
            `/models/${hash}`,
            `/models/${hash}/invoke`,
            "/modelsx",
            "/models/none",
          ]),
          "sagemaker",
        );
      case 2:
      case 3:
        return load(chance, hash);
      case 4:
        // An unload takes the real server half a second and more.
        return chance.oneIn(3)
          ? { ...get(`/models/${hash}`, "sagemaker"), method: "DELETE" }
          : {
              ...get(chance.pick(["/models", "/models/none", "/models/none/invoke"]), "sagemaker"),
              method: "DELETE",
            };
      case 5:
        return oddRoute(chance, hash);
      default:
        return invoke(chance, world, hash);
    }
  },
};

/** Without the platform's header, the model has the name of its hash. */
const load = (chance: Chance, hash: string): HttpTraffic => {
  const url = chance.oneIn(4)
    ? chance.pick(["", "/none", "{archives}", "{archives}/none/model", "/dev/x"])
    : `{archives}/${hash}/model`;
  const body = object([
    ["model_name", string(hash)],
    ["url", string(url)],
  ]);
  return post(chance.pick(["/models", "/models", "/models/", "/models/x"]), plainBody(body), "sagemaker");
};

const oddRoute = (chance: Chance, hash: string): HttpTraffic => {
  const path = chance.pick([
    "/ping",
    "/invocations",
    "/models",
    `/models/${hash}`,
    `/models/${hash}/`,
    "/v2",
    "/metrics",
    "/models//invoke",
    "/",
  ]);
  const method = chance.pick(["GET", "PUT", "PATCH", "HEAD", "OPTIONS", "POST"]);
  const isLoad = method === "POST" && path.startsWith("/models");
  return { kind: "http", port: "sagemaker", method: isLoad ? "PUT" : method, path, headers: [], body: null };
};

const invoke = (chance: Chance, { models }: World, hash: string): HttpTraffic => {
  const inference = {
    ...soundInference(
      chance,
      models.filter(({ name }) => name === "simple"),
    ),
    version: null,
  };
  const path = chance.oneIn(10) ? "/invocations" : `/models/${hash}/invoke`;
  const headers: (readonly [string, string])[] = chance.oneIn(5)
    ? [[TARGET, chance.pick([hash, "none", "x.tar.gz", ""])]]
    : [];
  if (chance.oneIn(2)) {
    const sound = inferenceJson(chance, inference);
    const body: JsonText = chance.oneIn(2) ? sound : mutatedJson(chance, sound);
    return { ...post(path, plainBody(body), "sagemaker"), headers };
  }
  const body = binaryBody(chance, inference);
  const size = bodyBytes({ ...body, bytes: Buffer.alloc(0) }).length;
  const told = chance.oneIn(3)
    ? chance.pick(["", "0", "x", "-1", "99999", String(size - 1), String(size + 1)])
    : String(size);
  const type = chance.oneIn(8)
    ? chance.pick(["application/octet-stream", BINARY.toUpperCase(), `x${BINARY}`])
    : BINARY;
  return {
    ...post(path, { ...body, headerLength: null }, "sagemaker"),
    headers: [...headers, ["Content-Type", `${type}${told}`]],
  };
};
