import { createEngine } from '@drf/engine';
import { openEncoder, type ImageEncoder, type TextEncoder } from '@drf/encoders';
import type { Engine } from '@drf/tensor';
import type { ExperimentConfig } from './schema.js';

/** What an experiment runs on: an engine and the two encoders on it. */
export interface Session {
  readonly engine: Engine;
  readonly image: ImageEncoder;
  readonly text: TextEncoder;
  dispose(): Promise<void>;
}

/**
 * Starts the engine and opens the encoders of an experiment.
 * @param options threads of the compiled engine (default: all cores), for several sessions side by side
 * @throws ConfigurationError for an unknown engine or encoder; UnavailableError for one that this machine lacks
 */
export async function startSession(
  config: Pick<ExperimentConfig, 'engine' | 'encoders'>,
  options: { readonly threads?: number } = {},
): Promise<Session> {
  const engine = await createEngine(config.engine, options);
  try {
    const image = await openEncoder(config.encoders.image, 'image', engine);
    const text = await openEncoder(config.encoders.text, 'text', engine);
    const dispose = async (): Promise<void> => {
      await image.dispose();
      await text.dispose();
      await engine.dispose();
    };
    return { engine, image, text, dispose };
  } catch (error) {
    await engine.dispose();
    throw error;
  }
}
