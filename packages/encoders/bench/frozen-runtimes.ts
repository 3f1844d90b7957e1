// Frozen extraction by the compiled engine (huggingface:) and by transformers.js (transformers:), same weights, in turns.
//
//   node --conditions=source --import ./scripts/from-source.mjs packages/encoders/bench/frozen-runtimes.ts FOLDER [TEXTS]
//
// FOLDER is a text encoder as `pnpm export encoder` writes it. Prints contents a second and the largest difference.
import { createEngine } from '@drf/engine';
import { createRandom } from '@drf/tensor';
import { benchmarkEncoder, openEncoder } from '../src/index.js';

const [folder = '', count = '64'] = process.argv.slice(2);
const random = createRandom(0);
const words = 'what a good bad day the movie was so very nice never again thanks @someone #monday'.split(' ');
const texts = Array.from({ length: Number(count) }, () =>
  Array.from({ length: 5 + random.integer(25) }, () => words[random.integer(words.length)]).join(' '),
);
const engine = await createEngine('compiled');
const encoders = [
  await openEncoder(`huggingface:${folder}`, 'text', engine, { pooling: 'mean' }),
  await openEncoder(`transformers:${folder}`, 'text', engine, { pooling: 'mean' }),
] as const;
const [ours, theirs] = await Promise.all(encoders.map((encoder) => encoder.encode(texts)));
const difference = (ours?.data ?? []).reduce(
  (worst: number, value: number, i: number) => Math.max(worst, Math.abs(value - (theirs?.data[i] as number))),
  0,
);
console.log(`largest difference ${difference.toExponential(1)}`);
for (let turn = 0; turn < 3; turn++) {
  const [compiled, library] = [
    await benchmarkEncoder(encoders[0], texts, 1),
    await benchmarkEncoder(encoders[1], texts, 1),
  ];
  const ratio = compiled.perSecond / library.perSecond;
  console.log(
    `compiled ${compiled.perSecond.toFixed(1)}/s, transformers.js ${library.perSecond.toFixed(1)}/s, ratio ${ratio.toFixed(2)}`,
  );
}
for (const encoder of encoders) await encoder.dispose();
await engine.dispose();
