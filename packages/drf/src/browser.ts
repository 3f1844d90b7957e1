import { openExport, type BrowserPost, type OpenExportOptions } from '@drf/judge/browser';
import { decodeImage } from '@drf/judge/browser-image';
import { LoadedModel } from './loaded-model.js';

export type { BrowserPost, OpenExportOptions } from '@drf/judge/browser';
export type { BrowserImage } from '@drf/judge/browser-image';
export type { ExplainOptions, Explanation, JudgeInfo, Judgment } from '@drf/judge';
export type { LoadedModel } from './loaded-model.js';
export type { LenientPredictOptions, Model, PredictOptions } from './judging.js';
export { InterruptedError } from './errors.js';
export { DrfError, isDrfError } from '@drf/tensor';

/**
 * Opens an export by its address, to judge in this browser, or in this worker of it, by onnxruntime-web: nothing of a post
 * leaves it.
 *
 * ```ts
 * const model = await load('/models/exported/');
 * const [{ label }] = await model.predict([{ text: 'What a day!', image: fileInput.files[0] }]);
 * ```
 * @throws UnavailableError where a file cannot be had; DataError for files that are damaged or of another version; the
 *   signal's reason when it aborts
 */
export async function load(address: string | URL, options?: OpenExportOptions): Promise<LoadedModel<BrowserPost>> {
  return new LoadedModel(await openExport(address, options), async ({ text = null, image = null }, { imageSize }) => ({
    text,
    image: image === null ? null : await decodeImage(image, imageSize),
  }));
}
