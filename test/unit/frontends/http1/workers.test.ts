import { expect, test } from "vitest";
import { Workers } from "../../../../emulator/frontends/http1/workers.ts";
import { emptyReply } from "../../../../emulator/frontends/kserve-json/reply.ts";

class Scene {
  readonly workers: Workers;
  readonly log: string[] = [];
  readonly #open = new Map<string, () => void>();

  constructor(count: number) {
    this.workers = new Workers(count);
  }

  send(name: string, occupies = false): void {
    const answer = (): void => {
      this.log.push(`${name} answered`);
    };
    this.workers.run(occupies, answer, (reply) => {
      this.log.push(`${name} begins`);
      this.#open.set(name, () => reply(emptyReply(200)));
    });
  }

  end(name: string): void {
    const end = this.#open.get(name);
    if (end === undefined) throw new Error(`${name} has not begun`);
    end();
  }
}

test("workers: a load takes the thread of an invocation in flight, whose answer waits for it", () => {
  const scene = new Scene(8);
  scene.send("invoke");
  scene.send("load", true);
  scene.end("invoke");
  expect(scene.log).toEqual(["invoke begins", "load begins"]);
  scene.end("load");
  expect(scene.log.slice(2)).toEqual(["load answered", "invoke answered"]);
});

test("workers: who comes later goes to another thread, and two loads run side by side", () => {
  const scene = new Scene(8);
  scene.send("load", true);
  scene.send("unload", true);
  scene.send("ping");
  scene.end("ping");
  scene.end("unload");
  expect(scene.log).toEqual([
    "load begins",
    "unload begins",
    "ping begins",
    "ping answered",
    "unload answered",
  ]);
});

test("workers: with one thread everything waits for a load, in the order it came", () => {
  const scene = new Scene(1);
  scene.send("load", true);
  scene.send("ping");
  scene.send("second load", true);
  scene.send("list");
  expect(scene.log).toEqual(["load begins"]);
  scene.end("load");
  scene.end("ping");
  scene.end("second load");
  scene.end("list");
  expect(scene.log.slice(1)).toEqual([
    "load answered",
    "ping begins",
    "second load begins",
    "second load answered",
    "ping answered",
    "list begins",
    "list answered",
  ]);
});

test("workers: what comes while all are occupied goes to the first that ends", () => {
  const scene = new Scene(2);
  scene.send("slow load", true);
  scene.send("load", true);
  scene.send("ping");
  scene.send("list");
  scene.end("load");
  expect(scene.log.slice(2)).toEqual(["load answered", "ping begins", "list begins"]);
  scene.end("list");
  expect(scene.log.at(-1)).toBe("list answered");
});
