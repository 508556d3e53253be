import { expect, test } from "vitest";
import { RealMemory } from "../../../emulator/composition/real-memory.ts";
import type { RealReadings } from "../../../emulator/frontends/control/target.ts";

/** What is read when the driver says so, and how often it was asked. */
const readings = (output: string | null, times = 1) => {
  const asked: string[] = [];
  const memory = new RealMemory((args, done) => {
    asked.push(args.join(" "));
    done(output);
  });
  const read: RealReadings[] = [];
  for (let i = 0; i < times; i++) memory.read((reading) => read.push(reading));
  return { asked, read };
};

test("real memory: the resident size of this process, and every GPU as nvidia-smi tells it", () => {
  const { asked, read } = readings("0, 317, 15360\n1, 0, 15360\n");
  expect(asked).toEqual(["--query-gpu=index,memory.used,memory.total --format=csv,noheader,nounits"]);
  expect(read).toEqual([
    {
      rssBytes: expect.any(Number),
      gpus: [
        { gpu: 0, usedBytes: 317 * 2 ** 20, totalBytes: 15360 * 2 ** 20 },
        { gpu: 1, usedBytes: 0, totalBytes: 15360 * 2 ** 20 },
      ],
    },
  ]);
  expect(read[0]?.rssBytes).toBeGreaterThan(2 ** 20);
});

test("real memory: a GPU that does not tell its memory is left out", () => {
  expect(readings("0, [N/A], [N/A]\n1, 5, 10\n").read[0]?.gpus).toMatchObject([{ gpu: 1 }]);
});

test("real memory: without a driver there are no GPUs, and it is asked once only", () => {
  const { asked, read } = readings(null, 3);
  expect(read.map(({ gpus }) => gpus)).toEqual([[], [], []]);
  expect(asked).toHaveLength(1);
});
