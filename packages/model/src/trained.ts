/**
 * Whether a parameter is trained; scalings of encoder outputs and what was measured on the training posts are part of
 * the parameters but stay as they are.
 */
export function isTrainedByDefault(flatName: string): boolean {
  return !/^(\w+Scaling|measured)\./.test(flatName);
}

/** Parameters under `encoders` learn at the encoders' rate, everything else at the head's. */
export function learningRateGroup(flatName: string): 'encoder' | 'head' {
  return flatName.startsWith('encoders.') ? 'encoder' : 'head';
}
