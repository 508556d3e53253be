import { get } from "../request.ts";
import type { Surface } from "../surface.ts";
import { modelPath } from "./documents.ts";

export const statistics: Surface = {
  name: "statistics",
  title: "statistics",
  weight: 4,
  make: (chance, world) =>
    chance.oneIn(4) ? get("/v2/models/stats") : get(`${modelPath(chance, world)}/stats`),
};
