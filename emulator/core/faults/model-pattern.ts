/** Names of models: exact, or with `*` (any characters) and `?` (one). */
export const modelMatcher = (pattern: string): ((model: string) => boolean) => {
  if (!/[*?]/.test(pattern)) return (model) => model === pattern;
  const escaped = pattern.replace(/[.+^${}()|[\]\\]/g, "\\$&");
  const expression = new RegExp(`^${escaped.replaceAll("*", ".*").replaceAll("?", ".")}$`, "s");
  return (model) => expression.test(model);
};
