/** The disk of one instance. Unlike its memory it outlives the container. */
export interface DiskSpace {
  /** @returns false = there is not that much room, nothing was taken */
  take(bytes: number): boolean;
  giveBack(bytes: number): void;
}

export class CountedDisk implements DiskSpace {
  readonly capacityBytes: number;
  #usedBytes = 0;

  constructor(capacityBytes: number) {
    this.capacityBytes = capacityBytes;
  }

  get usedBytes(): number {
    return this.#usedBytes;
  }

  take(bytes: number): boolean {
    if (this.#usedBytes + bytes > this.capacityBytes) return false;
    this.#usedBytes += bytes;
    return true;
  }

  giveBack(bytes: number): void {
    this.#usedBytes -= bytes;
  }
}
