import { compile, type ModelNotes } from '@drf/engine';
import type { Host } from '@drf/tensor';
import type { HeadOutputs, ModelInputs } from './head.js';
import { exampleInputs, type InputSpecification } from './inputs.js';
import { foldConstants } from './onnx/fold-constants.js';
import { decodeModel, type OnnxModel } from './onnx/model.js';
import { withSymbolicBatch } from './onnx/symbolic-batch.js';

/** A number of posts, or any number. */
export type BatchSize = number | 'dynamic';

/** Traces a function and makes a standard ONNX model of it, with constants folded. */
export async function buildModel(
  compute: (inputs: ModelInputs) => HeadOutputs,
  inputs: readonly InputSpecification[],
  batch: BatchSize,
  notes: ModelNotes,
): Promise<OnnxModel> {
  const traceAt = (size: number): Uint8Array =>
    compile(compute, exampleInputs(inputs, size) as Host<ModelInputs>).toOnnx(notes); // never run, so nothing to dispose
  const model = batch === 'dynamic' ? withSymbolicBatch(traceAt) : decodeModel(traceAt(batch));
  return foldConstants(model);
}
