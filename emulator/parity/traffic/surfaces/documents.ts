import type { Chance } from "../chance.ts";
import { get, type HttpTraffic } from "../request.ts";
import type { Surface, World } from "../surface.ts";

/** A model's name with what may stand behind it; names and versions that are none, now and then. */
export const modelPath = (chance: Chance, { models, spare }: World): string => {
  const model = chance.pick(models);
  const name = chance.oneIn(5)
    ? chance.pick(["none", "stats", `${model.name}x`, "", "a b", "a%20b", "..", ...spare, "x".repeat(300)])
    : model.name;
  if (chance.oneIn(3)) return `/v2/models/${name}`;
  const version = chance.oneIn(2)
    ? chance.pick(model.versions)
    : chance.pick(["0", "1", "2", "99", "01", "", "x", "-1", "1x", "9223372036854775807", "9".repeat(30)]);
  return `/v2/models/${name}/versions/${version}`;
};

export const documents: Surface = {
  name: "documents",
  title: "health, metadata, configuration",
  weight: 8,
  make: (chance, world): HttpTraffic => {
    if (chance.oneIn(6)) return get(chance.pick(["/v2", "/v2/health/live", "/v2/health/ready"]));
    return get(`${modelPath(chance, world)}${chance.pick(["", "/ready", "/config", "/config"])}`);
  },
};
