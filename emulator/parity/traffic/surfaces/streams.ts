import type { Surface } from "../surface.ts";
import { inferMessage } from "./grpc-infer.ts";

/** Several requests on one stream, whose answers come in their order. */
export const streams: Surface = {
  name: "streams",
  title: "gRPC: ModelStreamInfer",
  weight: 6,
  make: (chance, world) => ({
    kind: "stream",
    rpc: "ModelStreamInfer",
    messages: chance.times(chance.below(5), () => inferMessage(chance, world)),
    metadata: chance.oneIn(3) ? { triton_grpc_error: chance.pick(["true", "false", "1"]) } : {},
  }),
};
