import type { Target } from "./target.ts";
export const liveServer = (url: string): Target => {
  throw new Error(url);
};
