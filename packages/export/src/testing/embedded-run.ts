import { createEngine } from '@drf/engine';
import { openEncoder } from '@drf/encoders';
import type { RunFolder } from '@drf/experiment';
import { makeTinyRun, type TinyRunOptions } from './tiny-run.js';

/** A tiny run whose encoders are the embedded ones. */
export async function makeEmbeddedRun(path: string, options: TinyRunOptions = {}): Promise<RunFolder> {
  const engine = await createEngine('compiled');
  const image = await openEncoder('embedded', 'image', engine);
  const text = await openEncoder('embedded', 'text', engine);
  const run = await makeTinyRun(path, {
    ...options,
    encoders: { image: 'embedded', text: 'embedded' },
    encoderIds: { image: image.id, text: text.id },
    shapes: { imageDim: image.outputDim, textDim: text.outputDim },
  });
  await image.dispose();
  await text.dispose();
  await engine.dispose();
  return run;
}
