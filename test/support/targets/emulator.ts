import type { Target } from "./target.ts";
export const emulatorTarget: Target = {
  name: "triton-local",
  real: false,
  start: () => {
    throw new Error("not yet");
  },
};
