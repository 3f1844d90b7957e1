import sharp from 'sharp';
import fs from 'fs';
sharp.cache(false);
sharp.concurrency(1);
const dir = '/work/shared/data/mvsa-single/data/';
const files = fs
  .readdirSync(dir)
  .filter((f) => f.endsWith('.jpg'))
  .slice(0, 400)
  .map((f) => fs.readFileSync(dir + f));
async function pool(items, n, f) {
  let i = 0;
  const c0 = process.cpuUsage(),
    t = performance.now();
  await Promise.all(
    Array.from({ length: n }, async () => {
      while (i < items.length) {
        await f(items[i++]);
      }
    }),
  );
  const c = process.cpuUsage(c0);
  return `wall ${((performance.now() - t) / items.length).toFixed(2)} cpu ${((c.user + c.system) / 1000 / items.length).toFixed(2)}`;
}
const o = { failOn: 'truncated' };
const v = {
  meta: (b) => sharp(b, o).metadata(),
  raw: (b) => sharp(b, o).raw().toBuffer(),
  full: (b) =>
    sharp(b, o)
      .autoOrient()
      .resize(224, 224, { fit: 'fill' })
      .flatten({ background: '#fff' })
      .toColourspace('srgb')
      .raw()
      .toBuffer(),
  seq: (b) =>
    sharp(b, { ...o, sequentialRead: true })
      .autoOrient()
      .resize(224, 224, { fit: 'fill' })
      .flatten({ background: '#fff' })
      .toColourspace('srgb')
      .raw()
      .toBuffer(),
  noorient: (b) => sharp(b, o).resize(224, 224, { fit: 'fill' }).raw().toBuffer(),
  linear: (b) => sharp(b, o).resize(224, 224, { fit: 'fill', kernel: 'linear' }).raw().toBuffer(),
  shrink: (b) => sharp(b, o).resize(32, 32, { fit: 'fill' }).raw().toBuffer(),
  shrink8: (b) => sharp(b, o).resize(8, 8, { fit: 'fill' }).raw().toBuffer(),
  stats: (b) => sharp(b, o).stats(),
};
for (const [k, f] of Object.entries(v)) console.log(k, await pool(files, 4, f));
console.log('1 at a time full', await pool(files, 1, v.full), 'noorient', await pool(files, 1, v.noorient));
const tiny = await sharp({ create: { width: 16, height: 16, channels: 3, background: '#f00' } })
  .jpeg()
  .toBuffer();
for (const k of ['full', 'noorient', 'shrink', 'raw'])
  console.log('tiny', k, await pool(Array(1000).fill(tiny), 4, v[k]));
