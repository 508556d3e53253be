import { execFile, spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type ClientTarget, SAMPLE_REPOSITORY, startClientTarget } from "../support/own-server.ts";

const hasCurl = spawnSync("curl", ["--version"]).status === 0;
if (!hasCurl) console.warn("curl is not tested: it is not installed");

const FIRST = Array.from({ length: 16 }, (_, i) => i);
const SECOND = FIRST.map(() => 1);
const SUM = FIRST.map((value) => value + 1);

let target: ClientTarget;
let folder: string;

beforeAll(async () => {
  if (!hasCurl) return;
  folder = mkdtempSync(join(tmpdir(), "triton-local-curl-"));
  target = await startClientTarget(SAMPLE_REPOSITORY);
});

afterAll(async () => {
  await target?.[Symbol.asyncDispose]();
  if (folder !== undefined) rmSync(folder, { recursive: true, force: true });
});

describe.skipIf(!hasCurl)("curl", () => {
  test("curl: health answers 200 with an empty body, when asked with GET", async () => {
    const answer = await curl(["-w", "%{http_code}"], "/v2/health/ready");
    expect(answer).toBe("200");
  });

  test("curl: infers, when the tensors are JSON", async () => {
    const answer = await curl(["-d", jsonBody()], "/v2/models/simple/infer");
    expect(JSON.parse(answer).outputs[0].data).toEqual(SUM);
  });

  test("curl: infers, when the body is larger than what curl sends without asking first", async () => {
    // Above 1 MiB curl sends "Expect: 100-continue" and waits for the answer to it.
    const values = Array.from({ length: 300_000 }, (_, i) => i);
    const file = join(folder, "large.json");
    const input = { name: "INPUT0", datatype: "INT32", shape: [1, values.length], data: values };
    writeFileSync(file, JSON.stringify({ inputs: [input] }));
    const answer = await curl(["--data-binary", `@${file}`], "/v2/models/identity_int32/infer");
    expect(JSON.parse(answer).outputs[0].data).toEqual(values);
  });

  test("curl: infers, when the body is sent in chunks", async () => {
    const answer = await curl(
      ["-H", "Transfer-Encoding: chunked", "-d", jsonBody()],
      "/v2/models/simple/infer",
    );
    expect(JSON.parse(answer).outputs[0].data).toEqual(SUM);
  });

  test("curl: gets a compressed answer, when it asks for one", async () => {
    for (const encoding of ["gzip", "deflate"]) {
      const headers = join(folder, `${encoding}.headers`);
      const answer = await curl(
        ["-H", `Accept-Encoding: ${encoding}`, "--compressed", "-D", headers, "-d", jsonBody()],
        "/v2/models/simple/infer",
      );
      expect(JSON.parse(answer).outputs[0].data).toEqual(SUM);
      expect(readFileSync(headers, "utf8").toLowerCase()).toContain(`content-encoding: ${encoding}`);
    }
  });

  test("curl: sends and gets bytes, when both sides are binary", async () => {
    const header = JSON.stringify({
      inputs: ["INPUT0", "INPUT1"].map((name) => ({
        name,
        datatype: "INT32",
        shape: [1, 16],
        parameters: { binary_data_size: 64 },
      })),
      outputs: [{ name: "OUTPUT0", parameters: { binary_data: true } }],
    });
    const body = join(folder, "binary");
    const answer = join(folder, "binary.answer");
    const tensors = Buffer.from(Int32Array.from([...FIRST, ...SECOND]).buffer);
    writeFileSync(body, Buffer.concat([Buffer.from(header), tensors]));
    await curl(
      [
        ...["-H", "Content-Type: application/octet-stream"],
        ...["-H", `Inference-Header-Content-Length: ${header.length}`],
        ...["--data-binary", `@${body}`, "-o", answer],
      ],
      "/v2/models/simple/infer",
    );
    expect(readFileSync(answer).subarray(-64)).toEqual(Buffer.from(Int32Array.from(SUM).buffer));
  });

  test("curl: reuses the connection, when it asks several times", async () => {
    const url = `http://127.0.0.1:${target.httpPort}/v2/health/live`;
    const answer = await curl(["-w", "%{num_connects} ", url, url], "/v2/health/live");
    expect(answer).toBe("1 0 0 ");
  });

  test("curl: reads the error as JSON, when the model is unknown", async () => {
    const answer = await curl(["-w", " %{http_code}", "-d", jsonBody()], "/v2/models/nothing/infer");
    expect(answer).toBe(`{"error":"Request for unknown model: 'nothing' is not found"} 404`);
  });
});

function jsonBody(): string {
  const tensor = (name: string, data: readonly number[]) => ({
    name,
    datatype: "INT32",
    shape: [1, 16],
    data,
  });
  return JSON.stringify({ inputs: [tensor("INPUT0", FIRST), tensor("INPUT1", SECOND)] });
}

function curl(args: readonly string[], path: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const all = [
      ...["--silent", "--show-error", "--noproxy", "*", "--max-time", "30"],
      ...args,
      `http://127.0.0.1:${target.httpPort}${path}`,
    ];
    execFile("curl", all, { encoding: "utf8", maxBuffer: 1 << 26 }, (error, stdout, stderr) => {
      if (error !== null) reject(new Error(`${error.message}\n${stderr}`));
      else resolve(stdout);
    });
  });
}
