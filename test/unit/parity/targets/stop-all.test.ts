import { expect, test } from "vitest";
import { stopAll, stopWithUs } from "../../../../emulator/parity/targets/stop-all.ts";

test("stopAll: ends what runs, the last first, though one fails; what is started meanwhile is ended and its start refused", async () => {
  const order: string[] = [];
  const noted = (name: string, alsoDo: () => void = () => {}) =>
    stopWithUs(async () => {
      order.push(name);
      alsoDo();
    });
  noted("engine");
  const gone = noted("ended by itself");
  gone();
  stopWithUs(() => Promise.reject(new Error("no")));
  noted("container", () => expect(() => noted("started too late")).toThrow("the run is broken off"));
  await stopAll();
  expect(order).toEqual(["container", "started too late", "engine"]);
});
