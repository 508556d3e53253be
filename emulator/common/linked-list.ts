/** A member of a list, of one at a time. */
export interface Linked<T> {
  earlier: T | null;
  later: T | null;
}

/**
 * What is under way, in the order it came; coming and going cost the same however many there are. For what every request
 * does to something that lives long: a `Set` there makes a new table whenever it becomes empty, each table is kept by the one
 * before it, and so, once one of them has become old, every request since lives until the next full garbage collection.
 */
export class LinkedList<T extends Linked<T>> {
  #first: T | null = null;
  #last: T | null = null;
  #size = 0;

  get first(): T | null {
    return this.#first;
  }

  get size(): number {
    return this.#size;
  }

  /** @param item in no list */
  add(item: T): void {
    item.earlier = this.#last;
    if (this.#last === null) this.#first = item;
    else this.#last.later = item;
    this.#last = item;
    this.#size++;
  }

  /** @returns false = it is not in the list, which stays as it is; it must not be in another */
  remove(item: T): boolean {
    if (item.earlier === null && this.#first !== item) return false;
    this.#size--;
    if (item.earlier === null) this.#first = item.later;
    else item.earlier.later = item.later;
    if (item.later === null) this.#last = item.earlier;
    else item.later.earlier = item.earlier;
    item.earlier = null;
    item.later = null;
    return true;
  }

  /** Oldest first, as they are now. */
  all(): readonly T[] {
    const items: T[] = [];
    for (let item = this.#first; item !== null; item = item.later) items.push(item);
    return items;
  }
}
