/** A map in an answer: XML writes `<entry>`s with key and value, where a structure has an element for each member. */
export class OutputMap {
  constructor(entries: Readonly<Record<string, unknown>>) {
    Object.assign(this, entries);
  }
}
