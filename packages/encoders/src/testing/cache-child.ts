// A process that encodes texts into a cache: `cache-child.ts ROOT COUNT MILLISECONDS_A_BATCH forward|backward`. Run by
// tests, which start two at once, or kill it. Waits for a line on its input before it starts, and prints how many
// features are on disk after each batch.
import { once } from 'node:events';
import { encodeWithCache } from '../cache/encode-with-cache.js';
import { openFeatureCache } from '../cache/feature-cache.js';
import { countingEncoder } from './fake-encoder.js';
import { childItems, CHILD_DIM } from './cache-child-items.js';

const [root, count, milliseconds, order] = process.argv.slice(2) as [string, string, string, string];
const encoder = countingEncoder({
  outputDim: CHILD_DIM,
  delay: () => new Promise((resolve) => setTimeout(resolve, Number(milliseconds))),
});
const cache = await openFeatureCache(root, encoder);
console.log('ready');
await once(process.stdin, 'data');
process.stdin.destroy();
const items = childItems(Number(count));
await encodeWithCache({
  cache,
  encoder,
  items: order === 'backward' ? items.reverse() : items,
  batchSize: 4,
  onProgress: ({ encoded }) => console.log(`encoded ${encoded}`),
});
await cache.close();
console.log(JSON.stringify(cache.stats));
