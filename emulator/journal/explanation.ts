/** Something that happened. */
export interface StoryLine {
  /** `+2.1 s` since the request came, or the time. */
  readonly when: string;
  readonly text: string;
  /** What belongs to it, line by line. */
  readonly details: readonly string[];
}

/** Before its time is put into words. */
export interface Told {
  readonly atUs: number;
  readonly text: string;
  readonly details?: readonly string[];
}

export interface Explained {
  /** In a sentence or two. */
  readonly answer: string;
  /** What led to it, in order. */
  readonly story: readonly StoryLine[];
  /** Figures that belong to no moment. */
  readonly figures: readonly string[];
  /** What would have prevented it; only what follows from the numbers. */
  readonly prevention: readonly string[];
}
