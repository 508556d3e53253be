import { expect, test } from "vitest";
import { steady, steadyLog } from "../../../../emulator/parity/recordings/steady.ts";

const places = { repository: "/tmp/r", scratch: "/tmp/s" };
const text = (body: string): unknown => {
  const length = `Content-Length: ${Buffer.byteLength(body)}`;
  return steady({ http: ["HTTP/1.1 200 OK", length], text: body }, places);
};

test("places: a body tells of {repo} and {tmp}, and its length is that of what is kept", () => {
  expect(text('{"error":"in /tmp/r/m and /tmp/s"}')).toEqual({
    http: ["HTTP/1.1 200 OK", "Content-Length: 33"],
    text: '{"error":"in {repo}/m and {tmp}"}',
  });
});

test("durations and time stamps: become 1, but 0 stays 0", () => {
  expect(
    text('{"last_inference":1764108000000,"queue":{"count":3,"ns":4711},"cancel":{"ns":0}}'),
  ).toMatchObject({
    text: '{"last_inference":1,"queue":{"count":3,"ns":1},"cancel":{"ns":0}}',
  });
  const metrics =
    'nv_inference_request_duration_us{model="m"} 47\n# HELP nv_inference_count N\nnv_inference_count{model="m"} 47\n';
  expect(text(metrics)).toMatchObject({ text: metrics.replace("} 47\n#", "} 1\n#") });
  expect(text("nv_cpu_utilization 0.25\nnv_cpu_memory_used_bytes 3.5e+10\n")).toMatchObject({
    text: "nv_cpu_utilization 1\nnv_cpu_memory_used_bytes 1\n",
  });
  const replies = [
    {
      model_stats: [{ last_inference: "99", inference_stats: { queue: { ns: "0" }, success: { ns: "7" } } }],
    },
  ];
  expect(steady({ grpc: "OK", replies }, places)).toMatchObject({
    replies: [
      {
        model_stats: [{ last_inference: "1", inference_stats: { queue: { ns: "0" }, success: { ns: "1" } } }],
      },
    ],
  });
});

test("replies over gRPC: fields and entries of maps in one order", () => {
  const written = steady({ grpc: "OK", replies: [{ settings: { b: {}, a: {} } }] }, places);
  expect(JSON.stringify(written)).toBe('{"grpc":"OK","replies":[{"settings":{"a":{},"b":{}}}]}');
});

test("metrics: the samples of a family in one order", () => {
  const help = "# HELP nv_x X\n";
  expect(text(`${help}nv_x{model="b"} 1\nnv_x{model="a"} 2\n${help}nv_y{model="a"} 1\n`)).toMatchObject({
    text: `${help}nv_x{model="a"} 2\nnv_x{model="b"} 1\n${help}nv_y{model="a"} 1\n`,
  });
});

test("log: without ports, the server's own folders, its usage and its tables", () => {
  expect(steadyLog('x.cc:1] "Started HTTPService at 127.0.0.1:4711"\n')).toBe(
    'x.cc:1] "Started HTTPService at 127.0.0.1:{port}"\n',
  );
  expect(steadyLog("Searched: /opt/tritonserver/caches\n")).toBe("Searched: {caches}\n");
  const config = String.raw`x.cc:1] "config: {\"backend-directory\":\"/opt/tritonserver/backends\"}"`;
  expect(steadyLog(config)).toBe(config.replace("/opt/tritonserver/backends", "{backends}"));
  expect(steadyLog("a\n+--+\n| b |\n+--+\n\nc\n")).toBe("a\n{table}\n\nc\n");
  expect(steadyLog('Usage: tritonserver [options]\n  --help\n\tPrint\n\nBad option: "x"\n')).toBe(
    '{usage}\n\nBad option: "x"\n',
  );
});
