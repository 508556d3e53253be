import { array, type JsonText, type Member, object, string } from "../../exchange/json-text.ts";
import type { Chance } from "../chance.ts";
import { inferenceJson, soundInference } from "../inference.ts";
import { isLeftOut } from "../left-out.ts";
import type { ModelSketch } from "../model-sketch.ts";
import { mutatedJson } from "../mutation.ts";
import { bodyBytes, get, type HttpBody, type HttpTraffic, plainBody, post } from "../request.ts";
import { binaryBody } from "../surfaces/infer-binary.ts";
import { makeArchive } from "./archives.ts";
import type { ContainerOperation, ContainerSequence } from "./sequence.ts";

export const TARGET_MODEL = "X-Amzn-SageMaker-Target-Model";
const BINARY = "application/vnd.sagemaker-triton.binary+json;json-header-size=";

/** The platform's names are hashes of letters and digits; the last one is of another kind. */
const names = ["h1", "h2", "h-3"];

/** What callers name, and with it the model inside Triton; null = without the header, it has the platform's name. */
const targets = ["x.tar.gz", "y.tar.gz", "team/x.tar.gz", "BLOOM.tar.gz", "e", "h1", "", 'q"b', "x.onnx"];

/** A few archives, and four to nine steps of what the platform asks of a container, and of what others ask beside it. */
export const generateContainerSequence = (chance: Chance): ContainerSequence => {
  const used = names.slice(0, chance.pick([1, 2, 2, 3]));
  const usual = new Map(used.map((name) => [name, chance.oneIn(2) ? null : chance.pick(targets)]));
  const maker = new Maker(chance, usual);
  return {
    flags: [
      `--model-namespacing=${!chance.oneIn(4)}`,
      ...(chance.oneIn(8) ? ["--strict-readiness=false"] : []),
    ],
    environment: chance.oneIn(4)
      ? chance.pick<Readonly<Record<string, string>>>([
          { SAGEMAKER_TRITON_PING_MODE: "live" },
          { SAGEMAKER_TRITON_PING_MODE: "ready" },
          { SAGEMAKER_TRITON_DEFAULT_MODEL_NAME: "h1" },
        ])
      : {},
    archives: Object.fromEntries(used.map((name) => [name, makeArchive(chance)])),
    models: [...new Set([...used, ...usual.values(), "a", "b"])]
      .filter((name) => name !== null)
      .filter((name) => /^[\w.-]+$/.test(name)),
    // Something is to be loaded, mostly.
    steps: [[maker.load(chance.pick(used))], ...chance.times(chance.between(3, 8), () => maker.step())],
  };
};

class Maker {
  readonly #chance: Chance;
  readonly #usual: ReadonlyMap<string, string | null>;

  constructor(chance: Chance, usual: ReadonlyMap<string, string | null>) {
    this.#chance = chance;
    this.#usual = usual;
  }

  step(): readonly ContainerOperation[] {
    const chance = this.#chance;
    if (!chance.oneIn(4)) return [this.#operation()];
    // No two invocations: they may share an execution or not.
    const first = chance.oneIn(2) ? this.#invoke() : this.#look();
    const together = [first];
    for (let left = chance.between(1, 2); left > 0; left--) {
      const next = chance.oneIn(4) ? this.#look() : this.#change();
      if (!together.some((one) => unloaded(one) !== null && unloaded(one) === unloaded(next)))
        together.push(next);
    }
    return together;
  }

  #operation(): ContainerOperation {
    switch (this.#chance.below(9)) {
      case 0:
      case 1:
      case 2:
        return this.#invoke();
      case 3:
        return this.#unpack();
      case 4:
        return this.#beside();
      case 5:
        return this.#look();
      default:
        return this.#change();
    }
  }

  load(name: string): ContainerOperation {
    const chance = this.#chance;
    if (chance.oneIn(20)) return ask(post("/models", this.#loadOfNothing(), "sagemaker"));
    const folder = `{archives}/${chance.oneIn(12) ? this.#name() : name}/model`;
    const url = chance.oneIn(6)
      ? chance.pick([`${folder}/`, `${folder}/../model`, `${folder}//`, `${folder}x`, "/dev/x", "x"])
      : folder;
    const members: Member[] = [
      ["model_name", string(name)],
      ["url", string(url)],
    ];
    if (chance.oneIn(6)) members.push(["more", array([string("x")])]);
    const body = object(chance.oneIn(6) ? members.reverse() : members);
    const path = chance.oneIn(8) ? chance.pick(["/models/", `/models/${name}`, "/models/invoke"]) : "/models";
    return ask(this.#headed(post(path, plainBody(body), "sagemaker"), name));
  }

  /** A name without a url, or neither. */
  #loadOfNothing(): HttpBody {
    const chance = this.#chance;
    return {
      ...plainBody({ kind: "token", text: "" }),
      json: chance.pick<JsonText>([
        { kind: "token", text: "" },
        array([]),
        object([]),
        object([["model_name", string("h1")]]),
        object([
          ["model_name", string("")],
          ["url", string("")],
        ]),
      ]),
    };
  }

  #change(): ContainerOperation {
    const name = this.#name();
    if (this.#chance.oneIn(2)) return this.load(name);
    const path = this.#chance.oneIn(10) ? `/models/${name}/invoke` : `/models/${name}`;
    return ask(this.#headed({ ...get(path, "sagemaker"), method: "DELETE" }, name));
  }

  #look(): ContainerOperation {
    const name = this.#name();
    const path = this.#chance.pick(["/ping", "/ping", "/models", "/models", `/models/${name}`]);
    return ask(get(path, "sagemaker"));
  }

  #invoke(): ContainerOperation {
    const chance = this.#chance;
    const name = this.#name();
    const path = chance.oneIn(10) ? "/invocations" : `/models/${name}/invoke`;
    for (;;) {
      const request = this.#headed({ ...post(path, null, "sagemaker"), ...this.#content() }, name);
      if (isLeftOut(request, [sketch]) === null) return ask(request);
    }
  }

  #content(): Pick<HttpTraffic, "body" | "headers"> {
    const chance = this.#chance;
    const inference = { ...soundInference(chance, [sketch]), version: null };
    if (!chance.oneIn(3)) {
      const sound = inferenceJson(chance, inference);
      if (chance.oneIn(12))
        return {
          body: { ...plainBody(sound), packing: chance.pick(["gzip", "deflate"]) },
          headers: [["Accept-Encoding", "gzip"]],
        };
      const type: HttpTraffic["headers"] = chance.oneIn(4)
        ? [["Content-Type", chance.pick(["application/json", "application/octet-stream", "text/csv", ""])]]
        : [];
      return { body: plainBody(chance.oneIn(3) ? mutatedJson(chance, sound) : sound), headers: type };
    }
    const body = binaryBody(chance, inference);
    const size = bodyBytes({ ...body, bytes: Buffer.alloc(0) }).length;
    const told = chance.oneIn(3)
      ? chance.pick(["", "0", "x", "-1", "99999", String(size - 1), String(size + 1)])
      : String(size);
    return { body: { ...body, headerLength: null }, headers: [["Content-Type", `${BINARY}${told}`]] };
  }

  #unpack(): ContainerOperation {
    const name = this.#name();
    return { do: "unpack", name, archive: this.#chance.oneIn(3) ? null : makeArchive(this.#chance) };
  }

  /** The routes of KServe, about the same models. */
  #beside(): ContainerOperation {
    const chance = this.#chance;
    const name = this.#name();
    const model = chance.oneIn(4) ? chance.pick(["m", "a", "b", "e"]) : (this.#usual.get(name) ?? name);
    switch (chance.below(6)) {
      case 0:
        return ask(post(`/v2/repository/models/${model}/unload`, null));
      case 1:
        return ask(post(`/v2/repository/models/${model}/load`, null));
      case 2:
        return ask(get(`/v2/models/${model}/ready`));
      default: {
        const inference = { ...soundInference(chance, [sketch]), version: null };
        return ask(post(`/v2/models/${model}/infer`, plainBody(inferenceJson(chance, inference))));
      }
    }
  }

  #headed(request: HttpTraffic, name: string): HttpTraffic {
    const chance = this.#chance;
    const usual = this.#usual.get(name) ?? null;
    const target = chance.oneIn(12) ? chance.pick([null, ...targets]) : usual;
    return target === null ? request : { ...request, headers: [...request.headers, [TARGET_MODEL, target]] };
  }

  #name(): string {
    return this.#chance.oneIn(20) ? "none" : this.#chance.pick([...this.#usual.keys()]);
  }
}

/** The name that an unload has in its path. */
const unloaded = (operation: ContainerOperation): string | null =>
  operation.do === "ask" && operation.request.method === "DELETE"
    ? (/^\/models\/([^/]+)/.exec(operation.request.path)?.[1] ?? null)
    : null;

const ask = (request: HttpTraffic): ContainerOperation => ({ do: "ask", request });

/** Of the graph that most archives have. */
const sketch: ModelSketch = {
  name: "m",
  versions: ["1"],
  maxBatchSize: 4,
  inputs: [{ name: "X", datatype: "FP32", shape: [-1, 4], optional: false }],
  outputs: [{ name: "Y", datatype: "FP32", shape: [-1, 4], optional: false }],
  decoupled: false,
  ensemble: false,
  sequence: false,
};
