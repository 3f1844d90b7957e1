import { BATCH_AXIS, decodeModel, LENGTH_AXIS, type OnnxModel, withDynamicAxes } from '@drf/onnx';
import { refuser, UnavailableError } from '@drf/tensor';

/**
 * A model for any batch size out of traces with fixed ones.
 * @param traceAt the function's file at a batch size
 * @throws UnavailableError when the files differ in more than shapes, as they do for a function that divides by the number
 *   of posts
 */
export async function forAnyBatch(traceAt: (batch: number) => Uint8Array): Promise<OnnxModel> {
  const model = await withDynamicAxes([BATCH_AXIS], async ([batch]) => decodeModel(traceAt(batch as number)));
  if (model !== undefined) return model;
  throw refuser(UnavailableError, 'forAnyBatch')(
    'a function whose graph depends on the batch size by shapes alone',
    'graphs that differ in other ways',
    'export for one batch size with --batch N',
  );
}

/**
 * {@link forAnyBatch} for inputs whose second axis, the length of texts, differs from call to call, too.
 * @param longest most tokens that the function takes
 * @throws UnavailableError as forAnyBatch, and when the function takes no length that could be tried
 */
export async function forAnyBatchAndLength(
  traceAt: (batch: number, length: number) => Uint8Array,
  longest: number,
): Promise<OnnxModel> {
  const model = await withDynamicAxes([BATCH_AXIS, LENGTH_AXIS], async ([batch, length]) =>
    (length as number) <= longest ? decodeModel(traceAt(batch as number, length as number)) : undefined,
  );
  if (model !== undefined) return model;
  const refuse = refuser(UnavailableError, 'forAnyBatchAndLength');
  const fewest = Math.min(...LENGTH_AXIS.sizes.map((sizes) => Math.max(...sizes)));
  if (longest < fewest)
    throw refuse(`a function that takes ${fewest} tokens or more`, `one that takes at most ${longest}`);
  throw refuse(
    'a function whose graph depends on the batch size and the length of texts by shapes alone',
    'graphs that differ in other ways',
  );
}
