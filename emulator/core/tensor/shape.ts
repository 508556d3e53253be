/** Product of the dimensions; 1 for a scalar. */
export const elementCount = (shape: readonly number[]): number => {
  let count = 1;
  for (const dim of shape) count *= dim;
  return count;
};

/** `[1,-1,3]`, without spaces, as the real server prints shapes. */
export const shapeText = (shape: readonly number[]): string => `[${shape.join(",")}]`;
