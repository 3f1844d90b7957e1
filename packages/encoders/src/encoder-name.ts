import { existsSync } from 'node:fs';
import { join } from 'node:path';

const PREFIXES = ['huggingface:', 'transformers:'] as const;
const WEIGHTS = ['model.safetensors', 'model.safetensors.index.json'];

/**
 * The full name of an encoder. A plain hub id ("google/vit-base-patch16-224") or path means `huggingface:`, whose
 * compiled graphs are the faster of the two ways (docs/notebook.md) and can be trained; a folder that holds an ONNX model
 * and no weights means `transformers:`. Other names stay as they are.
 */
export function fullEncoderName(name: string): string {
  if (PREFIXES.some((prefix) => name.startsWith(prefix)) || !/[/\\]/.test(name)) return name;
  const isOnnxOnly = existsSync(join(name, 'onnx')) && !WEIGHTS.some((file) => existsSync(join(name, file)));
  return `${isOnnxOnly ? 'transformers' : 'huggingface'}:${name}`;
}
