/** A tree of texts: what the query protocol's names with dots stand for, e.g. `MetricData.member.1.MetricName`. */
export type FormTree = { [name: string]: FormTree | string };

/** The fields of a form without Action and Version. A name that stands for a text and for a tree is the later of both. */
export const formTree = (fields: URLSearchParams): FormTree => {
  const root = emptyTree();
  for (const [name, value] of fields) {
    if (name === "Action" || name === "Version") continue;
    const path = name.split(".");
    const last = path.pop() ?? "";
    let at = root;
    for (const part of path) {
      const below = at[part];
      if (typeof below === "object") at = below;
      else {
        const tree = emptyTree();
        at[part] = tree;
        at = tree;
      }
    }
    at[last] = value;
  }
  return root;
};

/** Without a prototype: names are the caller's. */
const emptyTree = (): FormTree => Object.create(null) as FormTree;
