// Posts per second of the embedded encoders. From the repository's root:
//   node --conditions=source --import ./scripts/from-source.mjs packages/encoders/bench/embedded.ts [ENGINE] [POSTS]
import { createEngine } from '@drf/engine';
import { createRandom } from '@drf/tensor';
import { benchmarkEncoder, createEmbeddedImageEncoder, createEmbeddedTextEncoder } from '../src/index.js';
import { gradientImage } from '../src/testing/images.js';

const [name = 'eager:wasm', posts = '64'] = process.argv.slice(2);
const engine = await createEngine(name);
const words =
  'the a good bad day sun rain @friend #tag love hate game night RT http://t.co/x 😀 we you they is was'.split(' ');
const random = createRandom('benchmark');
const texts = Array.from({ length: Number(posts) }, () =>
  Array.from({ length: 8 + random.integer(20) }, () => words[random.integer(words.length)]).join(' '),
);
const images = Array.from({ length: Number(posts) }, (_, i) => gradientImage(String(i), 256, 320));
const image = await createEmbeddedImageEncoder(engine);
const text = await createEmbeddedTextEncoder(engine);
for (const result of [await benchmarkEncoder(image, images, 2), await benchmarkEncoder(text, texts, 2)]) {
  console.log(JSON.stringify({ engine: engine.name, ...result }));
}
await engine.dispose();
