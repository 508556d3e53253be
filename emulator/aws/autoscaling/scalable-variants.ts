/** A production variant as Application Auto Scaling sees it. */
export interface ScalableVariant {
  /** `CurrentInstanceCount`: instances in service. */
  readonly current: number;
  /** `DesiredInstanceCount`. */
  readonly desired: number;
}

/** The variants whose instances Application Auto Scaling adds and takes away: the control plane's. */
export interface ScalableVariants {
  /** Null = there is no such endpoint or variant. */
  variant(endpointName: string, variantName: string): ScalableVariant | null;
  /**
   * What UpdateEndpointWeightsAndCapacities does with `DesiredInstanceCount`.
   * @param done called once: null = that many are in service; else why it was refused or did not come to be
   */
  setDesiredInstanceCount(
    endpointName: string,
    variantName: string,
    count: number,
    done: (failure: string | null) => void,
  ): void;
}
