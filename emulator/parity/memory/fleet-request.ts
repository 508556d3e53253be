import type { Fleet, Step } from "./fleet.ts";
import { hosted } from "./fleet-models.ts";

/** A step as it goes over the wire, the same to both servers. */
export interface FleetRequest {
  readonly port: "kserve" | "container";
  readonly method: string;
  readonly path: string;
  readonly targetModel?: string;
  readonly body: string;
  /** After so many seconds it counts as never answered. */
  readonly patienceSeconds: number;
}

const INFER = JSON.stringify({ inputs: [{ name: "IN", datatype: "UINT8", shape: [1], data: [0] }] });

/** Near its limit a real server may take many seconds for a load. */
const LOAD_SECONDS = 60;
/** Real ones take up to 2 s, and with a dead process some never end. */
const UNLOAD_SECONDS = 8;
const SECONDS = 15;

export const pingRequest: FleetRequest = {
  port: "container",
  method: "GET",
  path: "/ping",
  body: "",
  patienceSeconds: SECONDS,
};

/** @returns null for a step that asks nothing */
export const requestOf = ({ surface }: Pick<Fleet, "surface">, step: Step): FleetRequest | null => {
  const { model = "" } = step;
  const kserve = (method: string, path: string, body = "", patienceSeconds = SECONDS): FleetRequest => ({
    port: "kserve",
    method,
    path,
    body,
    patienceSeconds,
  });
  const { modelName, url, targetModel } = hosted(model);
  const container = (method: string, path: string, body = "", patienceSeconds = SECONDS): FleetRequest => ({
    port: "container",
    method,
    path,
    targetModel,
    body,
    patienceSeconds,
  });
  const onContainer = surface === "container";
  switch (step.call) {
    case "load":
      return onContainer
        ? container("POST", "/models", JSON.stringify({ model_name: modelName, url }), LOAD_SECONDS)
        : kserve("POST", `/v2/repository/models/${model}/load`, "", LOAD_SECONDS);
    case "unload":
      return onContainer
        ? container("DELETE", `/models/${modelName}`, "", UNLOAD_SECONDS)
        : kserve("POST", `/v2/repository/models/${model}/unload`, "", UNLOAD_SECONDS);
    case "infer":
      return onContainer
        ? container("POST", `/models/${modelName}/invoke`, INFER)
        : kserve("POST", `/v2/models/${model}/infer`, INFER);
    case "ready":
      return kserve("GET", `/v2/models/${model}/ready`);
    case "index":
      return kserve("POST", "/v2/repository/index");
    case "health":
      return kserve("GET", "/v2/health/ready");
    case "list":
      return { port: "container", method: "GET", path: "/models", body: "", patienceSeconds: SECONDS };
    case "ping":
      return pingRequest;
    case "wait":
      return null;
  }
};
