import { describe, expect, test } from "vitest";
import { type ConfigSources, loadConfig } from "../../../emulator/config/load.ts";
import { failureText, usageText } from "../../../emulator/config/usage.ts";

const sources = (over: Partial<ConfigSources>): ConfigSources => ({
  args: [],
  environment: {},
  readFile: () => {
    throw new Error("no such file");
  },
  defaultModelRepository: "/samples",
  cores: 3,
  ...over,
});

const loaded = (over: Partial<ConfigSources>) => {
  const result = loadConfig(sources(over));
  if (!result.ok) throw new Error(result.failure.message);
  return result;
};

const configOf = (...args: string[]) => loaded({ args }).config;

/** What stderr shows, with the usage itself cut out. */
const failureOf = (args: string[], over: Partial<ConfigSources> = {}): string => {
  const result = loadConfig(sources({ args, ...over }));
  if (result.ok) throw new Error("the command line was accepted");
  return failureText(result.failure).replace(usageText(), "<usage>");
};

describe("precedence", () => {
  const readFile = () => JSON.stringify({ "http-port": 1, "grpc-port": 2, "metrics-port": 3 });

  test("load: a flag goes before the environment, that before the file, that before the default", () => {
    const { config } = loaded({
      args: ["--http-port=10", "--config-file=x.json"],
      environment: { TRITON_LOCAL_HTTP_PORT: "20", TRITON_LOCAL_GRPC_PORT: "21" },
      readFile,
    });
    expect(config).toMatchObject({ httpPort: 10, grpcPort: 21, metricsPort: 3, exitTimeoutSecs: 30 });
  });

  test("load: the environment may name the config file", () => {
    const { config } = loaded({ environment: { TRITON_LOCAL_CONFIG_FILE: "x.json" }, readFile });
    expect(config.httpPort).toBe(1);
  });

  test("load: a repeated flag replaces the environment's list as a whole", () => {
    const environment = { TRITON_LOCAL_LOAD_MODEL: "a;b", TRITON_LOCAL_MODEL_CONTROL_MODE: "explicit" };
    expect(loaded({ environment }).config.loadModel).toEqual(["a", "b"]);
    expect(loaded({ environment, args: ["--load-model=c"] }).config.loadModel).toEqual(["c"]);
  });

  test("load: an empty environment variable counts as not set", () => {
    expect(loaded({ environment: { TRITON_LOCAL_HTTP_PORT: "" } }).config.httpPort).toBe(8000);
  });

  test("load: the file takes JSON values and texts alike", () => {
    const text = JSON.stringify({
      "allow-http": "off",
      "model-control-mode": "explicit",
      "load-model": ["a"],
      "backend-config": ["onnxruntime,x=1"],
    });
    const { config } = loaded({ args: ["--config-file=x"], readFile: () => text });
    expect(config).toMatchObject({
      allowHttp: false,
      loadModel: ["a"],
      backendConfig: [{ name: "onnxruntime", setting: "x", value: "1" }],
    });
  });

  test.each([
    ['{"nope":1}', 'Bad option: "nope in f.json".\nthere is no such option'],
    [
      '{"http-port":true}',
      'Bad option: "http-port in f.json".\nInvalid input: expected number, received boolean',
    ],
    ['{"http-port":"x"}', 'Bad option: "http-port in f.json".\nInvalid option value. Got x'],
    ["[]", 'Bad option: "--config-file".\nf.json is not a JSON object'],
    ["{", 'Bad option: "--config-file".\ncannot read f.json: '],
  ])("load: refuses the file %s", (text, message) => {
    expect(failureOf(["--config-file=f.json"], { readFile: () => text })).toContain(message);
  });

  test("load: names the environment variable that holds a bad value", () => {
    expect(failureOf([], { environment: { TRITON_LOCAL_ALLOW_HTTP: "perhaps" } })).toContain(
      'Bad option: "TRITON_LOCAL_ALLOW_HTTP".\ninvalid value for bool option: perhaps\n',
    );
  });
});

describe("values", () => {
  test.each([
    [["--http-port= 19704"], { httpPort: 19704 }],
    [["--http-port=19703x"], { httpPort: 19703 }],
    [["--http-port", "19703"], { httpPort: 19703 }],
    [["--http-po=7"], { httpPort: 7 }],
    [["--http-port=1", "--http-port=2"], { httpPort: 2 }],
    [
      ["--allow-http=OFF", "--allow-grpc", "0", "--allow-metrics=False"],
      { allowHttp: false, allowGrpc: false, allowMetrics: false },
    ],
    [["--model-control-mode=EXPLICIT"], { modelControlMode: "explicit" }],
    [
      ["--model-store=/a", "--model-repository=/b", "--model-repository=/c"],
      { modelRepository: ["/a", "/b", "/c"] },
    ],
    [["--disable-auto-complete-config"], { disableAutoCompleteConfig: true }],
    [["--strict-model-config=true"], { disableAutoCompleteConfig: true }],
    [["--exit-timeout-secs=-1"], { exitTimeoutSecs: -1 }],
    [["--metrics-interval-ms=1.5x"], { metricsIntervalMs: 1.5 }],
    [["--http-address=::1"], { httpAddress: "::1", metricsAddress: "::1" }],
    [
      ["--backend-config=a,b=c=d", "--backend-config=e=f"],
      {
        backendConfig: [
          { name: "a", setting: "b", value: "c=d" },
          { name: null, setting: "e", value: "f" },
        ],
      },
    ],
    [
      ["--http-restricted-api=health,metadata:key=value"],
      {
        httpRestrictedApi: [{ apis: ["health", "metadata"], header: "key", value: "value" }],
      },
    ],
    [["--model-load-gpu-limit=0:0.5"], { modelLoadGpuLimit: [[0, 0.5]] }],
    [
      ["--rate-limit-resource=R:4:1", "--rate-limit-resource=S:2"],
      {
        rateLimitResource: [
          { name: "R", count: 4, device: 1 },
          { name: "S", count: 2, device: null },
        ],
      },
    ],
    [
      ["--response-cache-byte-size=1048576"],
      {
        cacheConfig: [{ name: "local", setting: "size", value: "1048576" }],
        responseCacheByteSize: 1_048_576,
      },
    ],
    [["--"], { httpPort: 8000 }],
  ])("load: %j gives what the real server takes it for", (args, expected) => {
    expect(configOf(...args)).toMatchObject(expected);
  });

  test("load: without arguments everything stays on loopback and the sample models are served", () => {
    expect(configOf()).toMatchObject({
      httpAddress: "127.0.0.1",
      grpcAddress: "127.0.0.1",
      metricsAddress: "127.0.0.1",
      modelRepository: ["/samples"],
      workerThreads: 3,
    });
  });

  test("load: the configuration is frozen all the way down", () => {
    const config = configOf("--backend-config=a,b=c");
    expect(Object.isFrozen(config)).toBe(true);
    expect(Object.isFrozen(config.backendConfig[0])).toBe(true);
  });

  test("load: port 0 may be given to every service", () => {
    expect(configOf("--http-port=0", "--grpc-port=0", "--metrics-port=0").grpcPort).toBe(0);
  });

  test("load: equal ports on different addresses are no clash, nor is one that is not served", () => {
    expect(configOf("--metrics-address=127.0.0.2", "--metrics-port=8000").metricsPort).toBe(8000);
    expect(configOf("--allow-grpc=false", "--grpc-port=8000").grpcPort).toBe(8000);
  });
});

describe("trace settings at start", () => {
  const initial = {
    trace_level: ["OFF"],
    trace_rate: 1000,
    trace_count: -1,
    log_frequency: 0,
    trace_file: "",
  };

  test.each([
    [[], {}],
    [["level=TENSORS", "level=timestamps"], { trace_level: ["TIMESTAMPS", "TENSORS"] }],
    [["level=OFF", "level=max"], { trace_level: ["TIMESTAMPS"] }],
    [["rate=-1"], { trace_rate: 4294967295 }],
    [["rate=5", "rate=6", "count=-5"], { trace_rate: 6, trace_count: -5 }],
    [["triton,file=a", "triton,file=b", "triton,log-frequency=3"], { trace_file: "b", log_frequency: 3 }],
    [["foo=1", "triton,foo=x", "opentelemetry,url=x"], {}],
    [
      ["mode=opentelemetry", "opentelemetry,url=x", "opentelemetry,bsp_schedule_delay=9"],
      {
        trace_mode: "opentelemetry",
        mode_options: [
          ["url", "x"],
          ["bsp_schedule_delay", "9"],
          ["bsp_max_export_batch_size", "512"],
          ["bsp_max_queue_size", "2048"],
        ],
      },
    ],
  ])("load: --trace-config %j", (values, expected) => {
    const { trace } = configOf(...values.map((value) => `--trace-config=${value}`));
    expect(trace).toEqual({ ...initial, trace_mode: "triton", ...expected });
  });

  test("load: --trace-config goes before a deprecated option, with both warnings", () => {
    const { config, preamble } = loaded({ args: ["--trace-rate=5", "--trace-config=rate=7"] });
    expect(config.trace.trace_rate).toBe(7);
    expect(preamble).toEqual([
      "Warning: '--trace-rate' has been deprecated and will be removed in future releases. Please use '--trace-config rate=<rate value> instead.",
      "Warning: Overriding deprecated '--trace-rate' in favor of provided rate value in --trace-config!",
    ]);
  });
});

describe("refusals", () => {
  // Seen on 2.51.0, line feeds included.
  const number = (flag: string, value: string) =>
    `<usage>\n\nBad option: "--${flag}".\nInvalid option value. Got ${value}\n\n\n`;
  const other = (flag: string, detail: string) => `<usage>\n\nBad option: "--${flag}".\n${detail}\n\n`;
  const pairDetail = (flag: string, value: string, separator = ":") =>
    other(
      flag,
      `Cannot parse pair option due to incorrect number of inputs.--<pair option> argument requires format <first>${separator}<second>. Found: ${value}\n`,
    );
  const getopt = (text: string) => `triton-local: ${text}\n<usage>\n\n\n`;

  test.each([
    ["--help", "<usage>\n\n\n"],
    ["--he", "<usage>\n\n\n"],
    ["--nope", getopt("unrecognized option '--nope'")],
    ["--nope=1", getopt("unrecognized option '--nope=1'")],
    ["-x", getopt("invalid option -- 'x'")],
    ["-help", getopt("invalid option -- 'h'")],
    [
      "--h",
      getopt(
        "option '--h' is ambiguous; possibilities: '--help' '--http-address' '--http-port' '--http-header-forward-pattern' '--http-thread-count' '--http-restricted-api' '--host-policy'",
      ),
    ],
    [
      "--allow=1",
      getopt(
        "option '--allow=1' is ambiguous; possibilities: '--allow-http' '--allow-grpc' '--allow-sagemaker' '--allow-vertex-ai' '--allow-metrics' '--allow-gpu-metrics' '--allow-cpu-metrics'",
      ),
    ],
    ["--log-verbose", getopt("option '--log-verbose' requires an argument")],
    [
      "--disable-auto-complete-config=1",
      getopt("option '--disable-auto-complete-config' doesn't allow an argument"),
    ],
    ["stray", "<usage>\n\nUnexpected argument: stray\n"],
    ["-", "<usage>\n\nUnexpected argument: -\n"],
    ["-- stray", "<usage>\n\nUnexpected argument: stray\n"],
    ["stray --nope", getopt("unrecognized option '--nope'")],
    ["--exit-timeout-secs=x --nope", number("exit-timeout-secs", "x")],
    ["--http-port=", number("http-port", "")],
    ["--metrics-interval-ms=abc", number("metrics-interval-ms", "abc")],
    [
      "--exit-timeout-secs=99999999999",
      other("exit-timeout-secs", "Provided option value is out of bound. Got 99999999999\n"),
    ],
    ["--allow-metrics=perhaps", other("allow-metrics", "invalid value for bool option: perhaps")],
    [
      "--grpc-keepalive-permit-without-calls=2",
      other("grpc-keepalive-permit-without-calls", "invalid value for bool option: 2"),
    ],
    ["--model-control-mode=foo", other("model-control-mode", "invalid argument for --model-control-mode")],
    ["--rate-limit=foo", other("rate-limit", "invalid argument for --rate-limit")],
    ["--log-format=iso8601", other("log-format", "invalid argument for --log-format")],
    [
      "--grpc-infer-response-compression-level=foo",
      other(
        "grpc-infer-response-compression-level",
        "invalid argument for --grpc_infer_response_compression_level",
      ),
    ],
    ["--model-config-name=", other("model-config-name", "Error: empty argument for --model-config-name")],
    ["--model-load-gpu-limit=x", pairDetail("model-load-gpu-limit", "x")],
    ["--model-load-gpu-limit=0:x", number("model-load-gpu-limit", "x")],
    ["--cuda-memory-pool-byte-size=x", pairDetail("cuda-memory-pool-byte-size", "x")],
    ["--cuda-virtual-address-size=1", pairDetail("cuda-virtual-address-size", "1")],
    ["--sagemaker-safe-port-range=x", pairDetail("sagemaker-safe-port-range", "x", "-")],
    ["--sagemaker-safe-port-range=a-b", number("sagemaker-safe-port-range", "a")],
    ["--sagemaker-safe-port-range=-1-5", number("sagemaker-safe-port-range", "")],
    ...["x", "a,b", "a,b=", "a,=c", "=c", "a=", ""].map((value) => [
      `--backend-config=${value}`,
      other(
        "backend-config",
        `--backend-config option format is '<backend name>,<setting>=<value>'. Got ${value}\n`,
      ),
    ]),
    [
      "--backend-config=,b=c",
      other(
        "backend-config",
        "No backend specified. --backend-config option format is <backend name>,<setting>=<value> or <setting>=<value>. Got ,b=c\n",
      ),
    ],
    ...["x", "a=b", "a,b", ",numa-node=1"].map((value) => [
      `--host-policy=${value}`,
      other(
        "host-policy",
        `--host-policy option format is '<policy name>,<setting>=<value>'. Got ${value}\n`,
      ),
    ]),
    ...["x", "a,b=c", "=b", "a="].map((value) => [
      `--metrics-config=${value}`,
      other("metrics-config", `--metrics-config option format is <setting>=<value>. Got ${value}\n`),
    ]),
    ...["local", "size=1048576", "", ",size=1"].map((value) => [
      `--cache-config=${value}`,
      other(
        "cache-config",
        `No cache specified. --cache-config option format is <cache name>,<setting>=<value>. Got ${value}\n`,
      ),
    ]),
    ...["local,size", "local,=1"].map((value) => [
      `--cache-config=${value}`,
      other(
        "cache-config",
        `--cache-config option format is '<cache name>,<setting>=<value>'. Got ${value}\n`,
      ),
    ]),
    ...["nope", "triton,file", "triton,=x", "x=", "level="].map((value) => [
      `--trace-config=${value}`,
      other(
        "trace-config",
        `--trace-config option format is '<trace mode>,<setting>=<value>'. Got ${value}\n`,
      ),
    ]),
    [
      "--trace-config=,x=1",
      other(
        "trace-config",
        "No trace mode specified. --trace-config option format is <trace mode>,<setting>=<value> or <setting>=<value>. Got ,x=1\n",
      ),
    ],
    [
      "--trace-config=rate=5,6",
      other(
        "trace-config",
        'invalid value for trace mode option: rate=5. Available options are "triton" and "opentelemetry"',
      ),
    ],
    [
      "--trace-config=mode=foo",
      other(
        "trace-config mode",
        'invalid value for trace mode option: foo. Available options are "triton" and "opentelemetry"',
      ),
    ],
    [
      "--trace-config=level=BOGUS",
      other("trace-config level", "invalid value for trace level option: bogus"),
    ],
    ["--trace-config=rate=x", number("trace-config rate", "x")],
    ["--trace-config=triton,log-frequency=x", number("trace-config triton,log-frequency", "x")],
    ["--trace-config=level=BOGUS --nope", getopt("unrecognized option '--nope'")],
    ["--rate-limit-resource=R1:x", number("rate-limit-resource", "x")],
    ...["R1", "R1:1:2:3"].map((value) => [
      `--rate-limit-resource=${value}`,
      other(
        "rate-limit-resource",
        `--rate-limit-resource option format is '<resource_name>:<count>:<device>' or '<resource_name>:<count>'. Got ${value}`,
      ),
    ]),
    ...["x", "health:a", "health:=b", "health:a=", ":a=b"].map((value) => [
      `--http-restricted-api=${value}`,
      other(
        "http-restricted-api",
        `--http-restricted-api option format is '<config name>:<setting>=<value>'. Got ${value}\n`,
      ),
    ]),
    ["--http-restricted-api=Health:a=b", other("http-restricted-api", "unknown restricted api 'Health' \n")],
    [
      "--grpc-restricted-protocol=foo:a=b",
      other("grpc-restricted-protocol", "unknown restricted protocol 'foo' \n"),
    ],
    [
      "--http-restricted-api=health:a=b --http-restricted-api=health:c=d",
      other(
        "http-restricted-api",
        "restricted api 'health' can not be specified in multiple config groups\n",
      ),
    ],
    [
      "--grpc-port=8000",
      "<usage>\n\nThe server cannot listen to HTTP requests and GRPC requests at the same address and port 127.0.0.1:8000\n\n",
    ],
    [
      "--metrics-port=8001",
      "<usage>\n\nThe server cannot listen to GRPC requests and metrics requests at the same address and port 127.0.0.1:8001\n\n",
    ],
    [
      "--load-model=a --grpc-port=8000",
      "<usage>\n\nError: Use of '--load-model' requires setting '--model-control-mode=explicit' as well.\n",
    ],
    [
      "--response-cache-byte-size=10 --cache-config=local,size=1000 --grpc-port=8000",
      "Warning: '--response-cache-byte-size' has been deprecated! This will default to the 'local' cache implementation with the provided byte size for its config. Please use '--cache-config' instead. The equivalent --cache-config CLI args would be: '--cache-config=local,size=10'\n<usage>\n\nError: Incompatible flags --response-cache-byte-size and --cache-config both provided. Please provide one or the other.\n",
    ],
    [
      "--model-load-gpu-limit=0:2",
      "Failed to build Triton option:\nerror: setting model load GPU limit: Invalid argument - expects limit fraction to be in range [0.0, 1.0], got 2.000000\n",
    ],
    [
      "--host-policy=a,b=c",
      "Failed to build Triton option:\nerror: setting host policy: Unsupported - Unsupported host policy setting 'b' is specified, supported settings are 'numa-node', 'cpu-cores'\n",
    ],
    [
      "--model-control-mode=explicit --load-model=* --load-model=a",
      "error: creating server: Invalid argument - Wildcard model name '*' must be the ONLY startup model if specified at all.\n",
    ],
    [
      "--cache-config=nosuch,size=1",
      "error: creating server: Invalid argument - unable to find 'libtritoncache_nosuch.so' for cache. Searched: /opt/tritonserver/caches\n",
    ],
    [
      "--cache-config=local,foo=1",
      "error: creating server: Invalid argument - Failed to initialize LocalCache: config didn't contain a valid 'size' field.\n",
    ],
    [
      "--cache-config=local,size=x",
      "error: creating server: Internal - Failed to initialize LocalCache: stoull\n",
    ],
    [
      "--cache-config=local,size=191",
      "error: creating server: Internal - Failed to initialize LocalCache: Could not initialize buffer in basic_managed_external_buffer constructor\n",
    ],
    [
      "--cache-config=local,size=-1",
      "error: creating server: Internal - Failed to initialize LocalCache: failed to allocate buffer\n",
    ],
  ])("load: %s fails as on the real server", (line, expected) => {
    expect(failureOf((line ?? "").split(" "))).toBe(expected);
  });

  test("load: a number that cannot be a port is an error of ours", () => {
    expect(failureOf(["--http-port=99999"])).toBe(
      other("http-port", "not a port between 0 and 65535: 99999"),
    );
  });
});

describe("abbreviations of our own flags", () => {
  test("load: they yield to every flag of tritonserver", () => {
    const { config } = loaded({ args: ["--p=5", "--w=2"] });
    expect(config).toMatchObject({ pinnedMemoryPoolByteSize: 5, workerThreads: 2 });
    expect(config.portsFile).toBeUndefined();
  });
});

describe("notices", () => {
  test("load: an option without effect is said once, unless it says the default", () => {
    const { notices } = loaded({
      args: ["--host-policy=a,numa-node=0", "--host-policy=a,cpu-cores=0-1", "--http-thread-count=8"],
    });
    expect(notices).toEqual(["--host-policy has no effect: threads are not bound to cores or nodes"]);
  });

  test("load: a pattern that is no regular expression forwards nothing and is said", () => {
    const { config, notices } = loaded({ args: ["--http-header-forward-pattern=("] });
    expect(config.httpHeaderForwardPattern).toBe("");
    expect(notices).toEqual([expect.stringContaining("--http-header-forward-pattern forwards nothing: ")]);
    expect(configOf("--grpc-header-forward-pattern=(?i)x-.*").grpcHeaderForwardPattern).toBe("x-.*");
  });

  test("load: a variable with our prefix that is no option is said", () => {
    const { notices } = loaded({ environment: { TRITON_LOCAL_HTTP_PROT: "1", PATH: "x" } });
    expect(notices).toEqual(["environment variable TRITON_LOCAL_HTTP_PROT is not an option"]);
  });
});

describe("machine", () => {
  test("load: --machine is an instance type or a size, with its pools", () => {
    const { machine, memoryProfile } = configOf(
      "--machine=768MiB",
      "--memory-profile=a",
      "--memory-profile=b",
    );
    expect(machine?.pools[0]).toEqual({ pool: "host", capacityBytes: 805_306_368, reserveBytes: 0 });
    expect(memoryProfile).toEqual(["a", "b"]);
    expect(configOf().machine).toBeUndefined();
    expect(configOf("--machine=ml.g4dn.xlarge").machine?.name).toBe("ml.g4dn.xlarge");
  });

  test("load: refuses a machine that there is none of, and a profile without a machine", () => {
    expect(failureOf(["--machine=ml.g4dn"])).toContain(
      "Bad option: \"--machine\".\n'ml.g4dn' is neither a size above 0, such as 16GiB, nor one of ml.",
    );
    expect(failureOf(["--memory-profile=x"])).toContain(
      'Bad option: "--memory-profile".\nrequires setting --machine or --aws-port as well',
    );
  });
});

describe("fault", () => {
  test("load: --fault is a rule, repeated for several; the config file takes the same as objects", () => {
    const { fault } = configOf(
      "--fault=operation=load,effect=out-of-memory,nth=2",
      "--fault=imitate=load-body-crash",
    );
    expect(fault.rules.map(({ name }) => name)).toEqual(["load-out-of-memory"]);
    expect(fault.imitations).toEqual(["load-body-crash"]);
    expect(configOf().fault).toEqual({ rules: [], imitations: [] });
    const file = JSON.stringify({ fault: [{ operation: "load", effect: "slow", delay: "5s" }] });
    const { config } = loaded({ args: ["--config-file=faults.json"], readFile: () => file });
    expect(config.fault.rules[0]?.effect).toEqual({ kind: "delay", us: 5_000_000 });
  });

  test("load: refuses a fault that can never strike, and two of one name", () => {
    expect(failureOf(["--fault=operation=load,effect=hang,nth=0"])).toContain(
      'Bad option: "--fault".\nfault.nth is 0, expected a whole number from 1',
    );
    const twice = "--fault=name=a,operation=load,effect=hang";
    expect(failureOf([twice, twice])).toContain(
      "Bad option: \"--fault\".\nfault[1].name 'a' is taken by another rule",
    );
  });
});

describe("endpoint", () => {
  test("load: --model-data makes an endpoint, with tritonserver empty and the emulator's port on", () => {
    const config = configOf(
      "--model-data=/archives",
      "--eviction-setting=victims=lfu",
      "--model-cache-setting=Disabled",
    );
    expect(config).toMatchObject({
      endpoint: {
        modelData: "/archives",
        cacheDir: null,
        cacheEnabled: false,
        containerUrl: null,
        eviction: { victims: "lfu", highWater: 0.8 },
      },
      emulatorPort: 4570,
      modelRepository: [],
      modelControlMode: "explicit",
      modelNamespacing: true,
    });
  });

  test("load: without it there is none, and the emulator's port is off unless it is given", () => {
    expect(configOf()).toMatchObject({ endpoint: null, emulatorPort: null });
    expect(configOf("--emulator-port=0")).toMatchObject({ endpoint: null, emulatorPort: 0 });
  });

  test.each([
    [["--eviction=sagemaker"], '"--eviction".\nrequires setting --model-data or --aws-port as well'],
    [["--container-url=http://a"], '"--container-url".\nrequires setting --model-data or --aws-port as well'],
    [
      ["--model-data=/a", "--model-repository=/r"],
      '"--model-repository".\ncannot be combined with --model-data',
    ],
    [
      ["--model-data=/a", "--container-url=http://a", "--machine=1GiB"],
      '"--machine".\ncannot be combined with',
    ],
    [["--model-data=/a", "--container-url=a:1"], "is no http:// address of a container"],
    [["--model-data=/a", "--eviction=aws"], "there is no preset 'aws': expected one of sagemaker"],
    [["--model-data=/a", "--eviction-setting=victims=oldest"], "victims takes one of lru, lfu"],
    [
      ["--model-data=/a", "--eviction-setting=highWater=0.5", "--eviction-setting=lowWater=0.6"],
      "lowWater 0.6 is above highWater 0.5",
    ],
    [["--model-data=/a", "--http-port=4570"], "HTTP requests and emulator requests at the same address"],
  ])("load: %j is refused", (args, message) => {
    expect(failureOf(args)).toContain(message);
  });
});

describe("--s3-endpoint", () => {
  const key = { AWS_ACCESS_KEY_ID: "id", AWS_SECRET_ACCESS_KEY: "secret" };
  const remoteOf = (environment: ConfigSources["environment"]) =>
    loaded({ args: ["--aws-port=0", "--s3-endpoint=http://host:9000"], environment }).config.aws?.remoteS3;

  test("load: keys and region are those of the environment", () => {
    expect(configOf("--aws-port=0").aws?.remoteS3).toBeNull();
    expect(remoteOf({})).toEqual({
      endpoint: "http://host:9000/",
      region: "us-east-1",
      credentials: null,
    });
    expect(remoteOf({ ...key, AWS_REGION: "eu-west-1", AWS_SESSION_TOKEN: "" })).toEqual({
      endpoint: "http://host:9000/",
      region: "eu-west-1",
      credentials: { accessKeyId: "id", secretAccessKey: "secret", sessionToken: null },
    });
    expect(remoteOf({ ...key, AWS_DEFAULT_REGION: "eu-west-1", AWS_SESSION_TOKEN: "token" })).toMatchObject({
      region: "eu-west-1",
      credentials: { sessionToken: "token" },
    });
  });

  test.each([
    [["--s3-endpoint=http://host"], {}, '"--s3-endpoint".\nrequires setting --aws-port as well'],
    [
      ["--s3-endpoint=host:9000"],
      {},
      "'host:9000' is no address of a service, such as http://127.0.0.1:9000",
    ],
    [["--s3-endpoint=http://host?a"], {}, "is no address of a service"],
    [
      ["--aws-port=0", "--s3-endpoint=http://host"],
      { AWS_ACCESS_KEY_ID: "id" },
      "needs AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or none of them",
    ],
  ])("load: %j with %j is refused", (args, environment, message) => {
    expect(failureOf(args, { environment })).toContain(message);
  });
});
