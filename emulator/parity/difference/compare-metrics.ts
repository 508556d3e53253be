import { ABSENT, type Divergence } from "./compare-json.ts";
import { metricMask } from "./masks.ts";

interface Family {
  readonly help: string;
  readonly type: string;
  readonly samples: ReadonlyMap<string, string>;
}

/** Families, their order and their text; samples with their labels; values but for what a machine measures. */
export const compareMetrics = (ours: string, theirs: string): Divergence[] => {
  const found: Divergence[] = [];
  const [a, b] = [familiesOf(ours), familiesOf(theirs)];
  const names = (families: ReadonlyMap<string, Family>): string => [...families.keys()].join(" ");
  if (names(a) !== names(b)) found.push({ where: "families", ours: names(a), theirs: names(b) });
  for (const [name, family] of b) {
    const own = a.get(name);
    if (own === undefined) continue;
    for (const part of ["help", "type"] as const)
      if (own[part] !== family[part])
        found.push({ where: `${part} of ${name}`, ours: own[part], theirs: family[part] });
    for (const labels of new Set([...family.samples.keys(), ...own.samples.keys()])) {
      const [x, y] = [own.samples.get(labels) ?? ABSENT, family.samples.get(labels) ?? ABSENT];
      const masked = metricMask(name) !== null && x !== ABSENT && y !== ABSENT;
      if (x !== y && !masked) found.push({ where: `${name}${labels}`, ours: x, theirs: y });
    }
  }
  return found;
};

const familiesOf = (text: string): ReadonlyMap<string, Family> => {
  const families = new Map<string, Family>();
  for (const block of text.split(/^# HELP /m).slice(1)) {
    const [help = "", type = "", ...samples] = block.split("\n").filter((line) => line !== "");
    const name = help.split(" ", 1)[0] ?? "";
    families.set(name, {
      help: help.slice(name.length + 1),
      type: type.replace(`# TYPE ${name} `, ""),
      samples: new Map(
        samples.map((line) => {
          const space = line.lastIndexOf(" ");
          return [line.slice(0, space).replace(name, ""), line.slice(space + 1)];
        }),
      ),
    });
  }
  return families;
};
