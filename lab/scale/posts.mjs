// Posts of the shape of real ones, as many as are asked for: texts of varied lengths, JPEGs of varied sizes, some posts without
// the one or the other. A post depends on the seed and its number only, so that every layout of files holds the same posts.
import { createWriteStream, readdirSync, readFileSync } from 'node:fs';
import { mkdtemp, rm, stat, writeFile } from 'node:fs/promises';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { createGzip } from 'node:zlib';
import { parquetWriteFile } from 'hyparquet-writer';
import sharp from 'sharp';
import { pack } from 'tar-stream';
import { createRandom } from '../../scripts/random.mjs';

export const FORMATS = ['parquet', 'jsonl', 'jsonl.gz', 'csv', 'tar'];

const WORDS = {
  positive: 'love wonderful happy great beautiful sunny amazing delicious proud grateful smile best win 😍 🎉 ❤️'.split(
    ' ',
  ),
  neutral:
    'today meeting station update photo street number morning report Tuesday bus window coffee 📷 the a of'.split(' '),
  negative: 'hate awful sad broken worst angry tired lost rain delayed crying sick fail 😡 😭 💔'.split(' '),
};
const FILLER =
  'i we you this that my our with and but for at on in to is was just really so very all day night home work city people friend food game music RT #life #mood @someone naïve café Zürich привет 東京 http://t.co/x'.split(
    ' ',
  );
const LABELS = Object.keys(WORDS);

/**
 * What posts are put together of.
 * @param from a folder of real ones, in MVSA's layout (`data/ID.txt`, `data/ID.jpg`); default: `distinct` images are drawn
 */
async function openPool({ seed, distinct, from }) {
  if (from !== undefined) {
    const folder = join(from, 'data');
    const names = readdirSync(folder).sort();
    const of = (ending) => names.filter((name) => name.endsWith(ending)).slice(0, distinct);
    const texts = of('.txt').map((name) => readFileSync(join(folder, name)).toString('utf8').trim());
    return { texts, images: of('.jpg').map((name) => readFileSync(join(folder, name))) };
  }
  const images = new Array(distinct);
  let next = 0;
  const lane = async () => {
    for (let index = next++; index < distinct; index = next++) images[index] = await drawImage(seed, index);
  };
  await Promise.all(Array.from({ length: 2 * availableParallelism() }, lane));
  return { texts: undefined, images };
}

/** A JPEG of colored clouds, 96 to 480 pixels a side; the finer they are, the more bytes it has. */
async function drawImage(seed, index) {
  const random = createRandom(Math.imul(seed, 7919) ^ Math.imul(index + 1, 0x9e3779b1));
  const side = () => 96 + Math.floor(384 * random() ** 2);
  const [width, height] = [side(), side()];
  const cells = 3 + Math.floor(40 * random() ** 3);
  const pixels = Buffer.from(Array.from({ length: 3 * cells * cells }, () => Math.floor(256 * random())));
  const raw = { width: cells, height: cells, channels: 3 };
  return sharp(pixels, { raw })
    .resize(width, height, { fit: 'fill', kernel: 'cubic' })
    .jpeg({ quality: 80 })
    .toBuffer();
}

function postOf(pool, seed, index) {
  const random = createRandom(Math.imul(seed + 1, 0x85ebca6b) ^ Math.imul(index + 1, 0xc2b2ae35));
  random();
  const label = LABELS[Math.floor(3 * random())];
  const kind = random();
  const image = kind < 0.05 ? undefined : Math.floor(pool.images.length * random());
  const text = kind > 0.95 ? '' : textOf(pool, label, random);
  return { id: `p${index}`, text, label, image };
}

function textOf(pool, label, random) {
  if (pool.texts !== undefined) return pool.texts[Math.floor(pool.texts.length * random())];
  const any = (words) => words[Math.floor(words.length * random())];
  const length = 2 + Math.floor(28 * random() ** 1.5);
  return Array.from({ length }, () => (random() < 0.25 ? any(WORDS[label]) : any(FILLER))).join(' ');
}

const imageName = (index) => `images/${String(index).padStart(6, '0')}.jpg`;

/**
 * Makes posts and writes them below a storage, by format into `FORMAT/` (where several are asked for, else into its root).
 * @param perFile posts a file; the numbers of posts go on from file to file
 * @param rowGroup rows of a row group (Parquet)
 * @returns posts, files and bytes by format
 */
export async function makePosts(
  storage,
  { count, seed = 1, formats = ['parquet'], perFile = 5000, rowGroup = 250, distinct = 2000, from },
) {
  const pool = await openPool({ seed, distinct: Math.min(distinct, count), from });
  const temporary = await mkdtemp(join(tmpdir(), 'drf-posts-'));
  const made = {};
  try {
    for (const format of formats) {
      const below = formats.length > 1 ? `${format}/` : '';
      const own = (made[format] = { posts: count, files: 0, bytes: 0 });
      const put = async (name, content, bytes) => {
        await storage.write(below + name, content);
        own.files++;
        own.bytes += bytes;
      };
      if (!['parquet', 'tar'].includes(format)) {
        await inLanes(pool.images.keys(), (index) =>
          put(imageName(index), pool.images[index], pool.images[index].length),
        );
      }
      const starts = Array.from({ length: Math.ceil(count / perFile) }, (_, file) => file * perFile);
      await inLanes(starts, async (start) => {
        const posts = Array.from({ length: Math.min(perFile, count - start) }, (_, row) => postOf(pool, seed, start + row));
        const name = `posts-${String(start / perFile).padStart(5, '0')}.${format}`;
        const file = join(temporary, name);
        await WRITERS[format](file, posts, pool, rowGroup);
        await put(name, { file }, (await stat(file)).size);
        await rm(file);
      }, 2); // prettier-ignore
    }
  } finally {
    await rm(temporary, { recursive: true, force: true });
  }
  return made;
}

async function inLanes(items, perform, lanes = 16) {
  const waiting = items[Symbol.iterator]();
  await Promise.all(
    Array.from({ length: lanes }, async () => {
      for (const item of { [Symbol.iterator]: () => ({ next: () => waiting.next() }) }) await perform(item);
    }),
  );
}

const lines = (posts, line) => posts.map((post) => `${line(post)}\n`).join('');
const json = ({ id, text, label, image }) =>
  JSON.stringify({ id, text, image: image === undefined ? null : imageName(image), label });
const quoted = (cell) => (/[",\r\n]/.test(cell) ? `"${cell.replaceAll('"', '""')}"` : cell);

const WRITERS = {
  async parquet(file, posts, pool, rowGroup) {
    const bytes = posts.map(({ image }) => (image === undefined ? null : pool.images[image]));
    const text = (key) => ({ name: key, data: posts.map((post) => post[key]), type: 'STRING' });
    const columnData = [text('id'), text('text'), { name: 'image', data: bytes, type: 'BYTE_ARRAY', nullable: true }, text('label')]; // prettier-ignore
    await parquetWriteFile({
      filename: file,
      columnData,
      rowGroupSize: rowGroup,
      codec: 'UNCOMPRESSED',
      statistics: false,
    });
  },
  jsonl: (file, posts) => writeFile(file, lines(posts, json)),
  async 'jsonl.gz'(file, posts) {
    await pipeline([lines(posts, json)], createGzip({ level: 6 }), createWriteStream(file));
  },
  async csv(file, posts) {
    const row = ({ id, text, label, image }) =>
      [id, text, image === undefined ? '' : imageName(image), label].map(quoted).join(',');
    await writeFile(file, `id,text,image,label\n${lines(posts, row)}`);
  },
  async tar(file, posts, pool) {
    const tar = pack();
    const written = pipeline(tar, createWriteStream(file));
    const add = (name, content) => tar.entry({ name, mtime: new Date(0) }, content);
    for (const { id, text, label, image } of posts) {
      if (image !== undefined) add(`${id}.jpg`, pool.images[image]);
      if (text !== '') add(`${id}.txt`, text);
      add(`${id}.json`, JSON.stringify({ label }));
    }
    tar.finalize();
    await written;
  },
};
