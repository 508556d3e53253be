import { get } from "../request.ts";
import type { Surface } from "../surface.ts";

export const metrics: Surface = {
  name: "metrics",
  title: "metrics",
  weight: 2,
  make: (chance) => {
    const path = chance.oneIn(2)
      ? "/metrics"
      : chance.pick(["/metrics/", "/", "/v2", "/metrics?x=1", "/metricsx", "/%"]);
    const request = get(path, "metrics");
    return chance.oneIn(5)
      ? { ...request, method: chance.pick(["POST", "HEAD", "PUT", "DELETE", "OPTIONS"]) }
      : request;
  },
};
