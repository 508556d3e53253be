/** What of a production variant is scaled. */
export interface ScalableCapacity {
  /** `CurrentInstanceCount`: instances that serve. */
  readonly currentCount: number;
  /** `DesiredInstanceCount`. */
  readonly desiredCount: number;
  /** False = nothing of the endpoint can be changed now, for instance because it is being changed. */
  readonly canChange: boolean;
}

/** The variants whose instances Application Auto Scaling adds and takes away: the control plane's. */
export interface ScalableVariants {
  /** Null = there is no such variant. */
  variantCapacity(region: string, endpointName: string, variantName: string): ScalableCapacity | null;
  /**
   * As UpdateEndpointWeightsAndCapacities does with `DesiredInstanceCount`.
   * @returns false = there is no such variant, or the endpoint cannot be changed now
   */
  scaleVariant(region: string, endpointName: string, variantName: string, count: number): boolean;
}
