// Peak memory and time of encodeWithCache over as many rows as TumEmo has, first and second run. From the root:
//   node --conditions=source --import ./scripts/from-source.mjs packages/encoders/bench/cache-memory.ts [ROWS] [WIDTH]
// Contents are 224 × 224 pixels; the "encoder" copies numbers out of them, so what is measured is what stands around.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { hostTensor } from '@drf/tensor';
import { encodeWithCache, featureKey, openFeatureCache, type FrozenEncoder } from '../src/index.js';

const [rows = '195265', width = '512'] = process.argv.slice(2);
const outputDim = Number(width);
let encoded = 0;
const encoder: FrozenEncoder<Uint8Array> = {
  id: 'bench',
  modality: 'image',
  outputDim,
  trainable: false,
  preferredBatch: 32,
  preprocess: async () => ({}),
  encode: async (contents) => {
    encoded += contents.length;
    const data = new Float32Array(contents.length * outputDim);
    contents.forEach((content, i) => data.set(content.subarray(0, outputDim), i * outputDim));
    return hostTensor(data, [contents.length, outputDim]);
  },
  dispose: async () => undefined,
};
function* items() {
  for (let i = 0; i < Number(rows); i++) {
    yield { key: featureKey(`content ${i}`), load: async () => new Uint8Array(224 * 224 * 3).fill(i % 251) };
  }
}
const folder = await mkdtemp(join(tmpdir(), 'drf-cache-bench-'));
try {
  for (const run of ['first', 'second']) {
    encoded = 0;
    const start = performance.now();
    const cache = await openFeatureCache(folder, encoder);
    const store = await encodeWithCache({ cache, encoder, items: items() });
    const batch = await store.rows(Array.from({ length: 16 }, (_, i) => (i * 7919) % store.count));
    await cache.close();
    const seconds = ((performance.now() - start) / 1000).toFixed(1);
    const peakMebibytes = Math.round(process.resourceUsage().maxRSS / 1024);
    console.log(JSON.stringify({ run, rows: store.count, encoded, batch: batch.shape, seconds, peakMebibytes }));
  }
} finally {
  await rm(folder, { recursive: true });
}
