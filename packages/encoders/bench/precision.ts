// A frozen encoder in float32 and in int8, in turns: contents a second, and how far features differ.
//
//   node --conditions=source --import ./scripts/from-source.mjs packages/encoders/bench/precision.ts FOLDER text [COUNT]
//   node --conditions=source --import ./scripts/from-source.mjs packages/encoders/bench/precision.ts FOLDER image [COUNT] [SIDE]
//
// COUNT texts or images (default 64), THREADS in the environment (default: all cores), SIDE of images that the model reads.
// Prints the ratio of each turn, and the cosines of the features in int8 to those in float32.
import { createEngine } from '@drf/engine';
import { createRandom, type HostTensor, type Modality, PRODUCT_TYPES, type RgbImage } from '@drf/tensor';
import { benchmarkEncoder, type FrozenEncoder, openEncoder } from '../src/index.js';

const [folder = '', modality = 'text', count = '64', side] = process.argv.slice(2);
const random = createRandom(0);
const words = 'what a good bad day the movie was so very nice never again thanks @someone #monday'.split(' ');

function text(): string {
  return Array.from({ length: 5 + random.integer(25) }, () => words[random.integer(words.length)]).join(' ');
}

/** Waves of random color, and noise. */
function image(): RgbImage {
  const [across, down, ...color] = Array.from({ length: 5 }, () => random.uniform(0.02, 0.2)) as [number, number];
  const data = Uint8Array.from({ length: 320 * 240 * 3 }, (_, i) => {
    const [x, y] = [Math.floor(i / 3) % 320, Math.floor(i / 960)];
    return 128 + 90 * Math.sin(x * across + y * down + 30 * (color[i % 3] as number)) + random.uniform(-30, 30);
  });
  return { width: 320, height: 240, data };
}

function cosines(a: HostTensor, b: HostTensor): number[] {
  const [rows, dim] = a.shape as [number, number];
  const dot = (left: HostTensor, right: HostTensor, row: number): number =>
    left.data
      .subarray(row * dim, (row + 1) * dim)
      .reduce((sum: number, each: number, i: number) => sum + each * (right.data[row * dim + i] as number), 0);
  return Array.from({ length: rows }, (_, row) => dot(a, b, row) / Math.sqrt(dot(a, a, row) * dot(b, b, row)));
}

async function compare<Content>(
  open: (precision: (typeof PRODUCT_TYPES)[number]) => Promise<FrozenEncoder<Content>>,
  contents: readonly Content[],
): Promise<void> {
  const [float, int8] = [await open('float32'), await open('int8')];
  const same = cosines(await float.encode(contents), await int8.encode(contents)).sort((a, b) => a - b);
  const middle = same[Math.floor(same.length / 2)] as number;
  console.log(`cosine to float32: least ${(same[0] as number).toFixed(4)}, median ${middle.toFixed(4)}`);
  for (let turn = 0; turn < 5; turn++) {
    const [slow, fast] = [await benchmarkEncoder(float, contents, 1), await benchmarkEncoder(int8, contents, 1)];
    const ratio = (fast.perSecond / slow.perSecond).toFixed(2);
    console.log(`float32 ${slow.perSecond.toFixed(1)}/s, int8 ${fast.perSecond.toFixed(1)}/s, ratio ${ratio}`);
  }
  await Promise.all([float.dispose(), int8.dispose()]);
}

const { THREADS: threads } = process.env;
const engine = await createEngine('compiled', threads === undefined ? {} : { threads: Number(threads) });
const name = `huggingface:${folder}`;
if ((modality as Modality) === 'text') {
  await compare(
    (precision) => openEncoder(name, 'text', engine, { precision }),
    Array.from({ length: Number(count) }, text),
  );
} else {
  const size = side === undefined ? {} : { imageSize: Number(side) };
  await compare(
    (precision) => openEncoder(name, 'image', engine, { precision, ...size }),
    Array.from({ length: Number(count) }, image),
  );
}
await engine.dispose();
