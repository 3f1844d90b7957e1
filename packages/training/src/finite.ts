import { floatData, NonFiniteError, type HostTensor } from '@drf/tensor';

/** A step's losses as numbers. */
export interface StepLosses {
  readonly total: number;
  readonly parts: { readonly [name: string]: number };
}

/**
 * Reads the losses of a step.
 * @throws NonFiniteError naming the step and the first part of the loss that is NaN or infinite
 */
export function readLosses(
  outputs: { readonly total: HostTensor; readonly parts: { readonly [name: string]: HostTensor } },
  step: number,
): StepLosses {
  const value = (tensor: HostTensor): number => floatData(tensor)[0] as number;
  const parts = Object.fromEntries(Object.entries(outputs.parts).map(([name, tensor]) => [name, value(tensor)]));
  const total = value(outputs.total);
  for (const [name, loss] of [...Object.entries(parts), ['total', total] as const]) {
    if (Number.isFinite(loss)) continue;
    throw new NonFiniteError({
      subject: `Training step ${step}, loss part "${name}"`,
      expected: 'a finite loss',
      received: String(loss),
      remedy:
        'lower the learning rate or the loss scales, or look for NaN in the features; checkpoints so far are kept',
    });
  }
  return { total, parts };
}

/** Means of losses over the steps of an epoch. */
export class LossMean {
  private count = 0;
  private total = 0;
  private readonly parts = new Map<string, number>();

  add(losses: StepLosses): void {
    this.count++;
    this.total += losses.total;
    for (const [name, loss] of Object.entries(losses.parts)) this.parts.set(name, (this.parts.get(name) ?? 0) + loss);
  }

  mean(): StepLosses {
    const divide = (sum: number): number => (this.count === 0 ? 0 : sum / this.count);
    return {
      total: divide(this.total),
      parts: Object.fromEntries([...this.parts].map(([name, sum]) => [name, divide(sum)])),
    };
  }

  /** For checkpoints. */
  state(): { count: number; total: number; parts: Record<string, number> } {
    return { count: this.count, total: this.total, parts: Object.fromEntries(this.parts) };
  }

  restore(state: ReturnType<LossMean['state']>): void {
    this.count = state.count;
    this.total = state.total;
    for (const [name, sum] of Object.entries(state.parts)) this.parts.set(name, sum);
  }
}
