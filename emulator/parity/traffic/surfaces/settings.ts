import { array, type JsonText, type Member, object, string, token } from "../../exchange/json-text.ts";
import type { Chance } from "../chance.ts";
import { mutatedJson } from "../mutation.ts";
import { get, plainBody, post } from "../request.ts";
import type { Surface } from "../surface.ts";

export const settings: Surface = {
  name: "settings",
  title: "trace and log settings",
  weight: 6,
  changes: true,
  make: (chance, { models }) => {
    const model = chance.oneIn(6) ? "none" : chance.pick(models).name;
    const path = chance.pick(["/v2/logging", "/v2/trace/setting", `/v2/models/${model}/trace/setting`]);
    if (chance.oneIn(3)) return get(path);
    const wanted = path === "/v2/logging" ? logSettings(chance) : traceSettings(chance);
    return post(path, plainBody(chance.oneIn(3) ? mutatedJson(chance, wanted) : wanted));
  },
};

const some = (chance: Chance, choices: readonly (readonly [string, readonly JsonText[]])[]): JsonText =>
  object(choices.filter(() => chance.oneIn(3)).map(([name, values]): Member => [name, chance.pick(values)]));

const bools = [token(true), token(false), token("null"), token(1), string("true")];

// A verbose log would slow the real server down for the rest of the run.
const logSettings = (chance: Chance): JsonText =>
  some(chance, [
    ["log_info", bools],
    ["log_warning", bools],
    ["log_error", bools],
    ["log_verbose_level", [token(0), token("null"), token(-1), string("1"), token("0.5"), token(true)]],
    [
      "log_format",
      [string("default"), string("ISO8601"), string("iso8601"), string(""), token("null"), token(1)],
    ],
    ["log_file", [token("null"), string(""), string("x.log"), token(1)]],
    ["unheard-of", [token(1)]],
  ]);

const numbers = [
  "0",
  "1",
  "-1",
  "-2",
  "1000",
  "4294967295",
  "4294967296",
  "2147483648",
  "x",
  "",
  "1x",
  " 1",
  "1.5",
].map(string);

const traceSettings = (chance: Chance): JsonText =>
  some(chance, [
    [
      "trace_level",
      [
        array([string("OFF")]),
        array([string("TIMESTAMPS")]),
        array([string("TIMESTAMPS"), string("TENSORS")]),
        array([string("OFF"), string("TIMESTAMPS")]),
        array([string("none")]),
        array([]),
        array([token(1)]),
        string("OFF"),
        token("null"),
      ],
    ],
    ["trace_rate", [...numbers, token("null"), token(5)]],
    ["trace_count", [...numbers, token("null"), token(5)]],
    ["log_frequency", [...numbers, token("null"), token(5)]],
    ["trace_file", [string("x"), string(""), token("null"), token(1)]],
    ["trace_mode", [string("triton"), string("opentelemetry")]],
    ["unheard-of", [string("1")]],
  ]);
