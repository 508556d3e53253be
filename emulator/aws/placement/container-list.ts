import type { ContainerAnswer } from "./container.ts";

/** Names in the answer to a list. Triton leaves its entries empty, so none are found there; what is no list has none either. */
export const listedNames = ({ body }: ContainerAnswer): readonly string[] => {
  const models = member(parsed(body), "models");
  if (!Array.isArray(models)) return [];
  return models.flatMap((entry: unknown) => {
    const name = member(entry, "modelName");
    return typeof name === "string" ? [name] : [];
  });
};

const parsed = (body: Uint8Array): unknown => {
  try {
    return JSON.parse(new TextDecoder().decode(body));
  } catch {
    return null;
  }
};

const member = (value: unknown, name: string): unknown =>
  typeof value === "object" && value !== null
    ? Object.entries(value).find(([key]) => key === name)?.[1]
    : null;
