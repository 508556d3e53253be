import { expect, test } from "vitest";
import { countVisible } from "../../../../emulator/backends/onnxruntime/gpus.ts";

test.each([
  ["0", 1],
  ["0,1", 2],
  ["GPU-8932f937-d72c, 3", 2],
  ["", 0],
  ["-1", 0],
  ["0,-1,1", 1],
])("GPUs: CUDA_VISIBLE_DEVICES=%j shows the entries up to the first that is no device: %i", (text, count) => {
  expect(countVisible(text)).toBe(count);
});
