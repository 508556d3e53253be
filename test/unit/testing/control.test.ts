import { afterEach, expect, test } from "vitest";
import { silentLog } from "../../../emulator/common/log.ts";
import { type Listener, listen } from "../../../emulator/frontends/http1/listener.ts";
import { ControlClient } from "../../../emulator/testing/control.ts";

let listener: Listener | null = null;

afterEach(async () => {
  await listener?.close();
});

/** A client of something that answers everything so. */
const clientOf = async (status: number, body: string): Promise<ControlClient> => {
  listener = await listen(
    {
      address: "127.0.0.1",
      port: 0,
      onRequest: ({ reply }) =>
        reply({ status, headers: ["Content-Type", "text/plain"], body: [Buffer.from(body)] }),
    },
    silentLog,
  );
  return new ControlClient(`http://127.0.0.1:${listener.port}`);
};

test("control: what is no emulator is told from one by what it answers", async () => {
  const other = await clientOf(200, "[]");
  await expect(other.journal()).rejects.toThrow(/the journal of http:\/\/127.0.0.1:\d+ is none: /);
  await expect(other.memory()).rejects.toThrow("what answers at /_emulator/memory is not triton-local");
  await expect(other.advance("1s")).rejects.toThrow("what answers at /_emulator/clock is not triton-local");
});

test("control: a refusal is told in the words of the emulator, or as it is", async () => {
  const error = { code: "x", message: "it is so", howToFix: "do this" };
  const emulator = await clientOf(409, JSON.stringify({ error }));
  await expect(emulator.reset()).rejects.toThrow("POST /_emulator/reset: it is so (do this)");
  await expect(emulator.explain("a")).rejects.toThrow("explain: it is so (do this)");
  await listener?.close();
  const other = await clientOf(502, "Bad Gateway\n");
  await expect(other.faults.clear()).rejects.toThrow("DELETE /_emulator/faults: 502 Bad Gateway");
});
