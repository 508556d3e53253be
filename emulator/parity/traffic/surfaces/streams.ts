import type { JsonObject } from "../../exchange/json.ts";
import type { Surface, World } from "../surface.ts";
import { inferMessage } from "./grpc-infer.ts";

/** Several requests on one stream, whose answers come in their order. */
export const streams: Surface = {
  name: "streams",
  title: "gRPC: ModelStreamInfer",
  weight: 6,
  make: (chance, world) => {
    const messages = chance.times(chance.below(5), () => inferMessage(chance, world));
    const [first] = messages;
    // Here the first error ends the stream, and how far the others had come is a matter of moments.
    const endsEarly = chance.oneIn(4) && first !== undefined;
    return {
      kind: "stream",
      rpc: "ModelStreamInfer",
      messages: endsEarly ? [first] : apart(messages, world),
      metadata: endsEarly ? { triton_grpc_error: chance.pick(["true", "true", "false", "1"]) } : {},
    };
  },
};

/** No two that might share an execution or not, as it happens: statistics would tell. */
const apart = (messages: readonly JsonObject[], { models }: World): JsonObject[] => {
  const isBatched = ({ model_name: name }: JsonObject): boolean =>
    models.some((model) => model.name === name && (model.maxBatchSize > 0 || model.ensemble));
  const isEnsemble = ({ model_name: name }: JsonObject): boolean =>
    models.some((model) => model.name === name && model.ensemble);
  const [first] = messages;
  if (first !== undefined && isEnsemble(first)) return [first];
  return messages.filter(
    (message, index) =>
      !isEnsemble(message) &&
      !(
        isBatched(message) &&
        messages.slice(0, index).some(({ model_name }) => model_name === message.model_name)
      ),
  );
};
