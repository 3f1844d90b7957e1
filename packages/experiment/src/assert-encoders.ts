import { ConfigurationError, MODALITIES } from '@drf/tensor';
import type { RunDescription } from './run-folder.js';
import type { Session } from './session.js';

/**
 * Features of other encoders mean nothing to a model, even where their widths fit.
 * @param run its path, for the message
 * @param expected ids of the encoders that it was trained with
 * @throws ConfigurationError naming the modality and both ids
 */
export function assertEncoders(
  run: string,
  expected: RunDescription['encoders'],
  session: Pick<Session, 'image' | 'text'>,
): void {
  for (const modality of MODALITIES) {
    const received = session[modality].id;
    if (expected[modality] === received) continue;
    throw new ConfigurationError({
      subject: `Run ${run}, ${modality} encoder`,
      expected: `"${expected[modality]}", with which it was trained`,
      received: `"${received}"`,
      remedy: 'install the version that it was trained with, or train again',
    });
  }
}
