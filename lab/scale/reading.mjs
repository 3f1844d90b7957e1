// One Parquet file of posts with images, in object storage and in a folder: what it takes to plan its shards, and to read one of
// them by ranges, against reading all.
import { join } from 'node:path';
import { tapServer } from './kills.mjs';
import { check, measure, mebibytes, table, wholeNumber } from './laboratory.mjs';
import { makePosts } from './posts.mjs';
import { startS3 } from './servers.mjs';
import { findTool } from './tools.mjs';

export async function reading(laboratory, { install, posts = '20000', shard }) {
  const { folder, event, onEnd } = laboratory;
  const count = wholeNumber('--posts', posts);
  const perShard = wholeNumber('--shard', shard ?? String(Math.ceil(count / 10)));
  const program = await findTool('versitygw', install);
  const [root, log] = [join(folder, 's3'), join(folder, 'log')];
  const s3 = await startS3('versitygw', { program, address: '127.0.0.1', folder: root, log });
  onEnd(s3.stop);
  event(`versitygw: ${s3.endpoint}`);
  Object.assign(process.env, s3.env);
  const { openStorage } = await import('@drf/storage');
  const [local, stored] = [join(folder, 'posts'), `s3://${s3.bucket}/posts`];
  const { parquet } = await makePosts(await openStorage(local), { count, perFile: count });
  const upload = await openStorage(stored);
  for await (const { path } of (await openStorage(local)).list()) await upload.write(path, { file: join(local, path) });
  event(`${count} posts in ${parquet.files} file, ${parquet.bytes} bytes: made, and uploaded`);

  const rows = [];
  /** Has work done, and adds what it took to the table. */
  const add = async (what, where, args) => {
    const tap = await tapServer(s3, { address: '127.0.0.1' });
    try {
      const took = await measure(laboratory, args, tap.env);
      const requests = Object.values(tap.requests).reduce((sum, number) => sum + number, 0);
      const isLocal = where === 'a folder';
      check(isLocal === (requests === 0), `${what}, ${where}: ${requests} requests`);
      check(!took.refused, `${what}, ${where}: ${took.refused} rows cannot be read`);
      rows.push([what, where, took.rows, took.seconds.toFixed(2), isLocal ? '—' : requests, isLocal ? '—' : megabytes(tap.answeredBytes()), megabytes(took.read), mebibytes(took.peak)]); // prettier-ignore
      event(`${what}, ${where}`);
      return took;
    } finally {
      await tap.close();
    }
  };
  for (const [where, location, name] of [
    ['versitygw', stored, 'stored.json'],
    ['a folder', local, 'local.json'],
  ]) {
    const file = join(folder, name);
    const plan = await add('planning', where, ['plan', location, String(perShard), file]);
    check(plan.rows === count, `${where}: ${plan.rows} rows are planned, of ${count}`);
    const middle = Math.floor(plan.shards / 2);
    await add(`one shard of ${plan.shards}`, where, ['read', file, String(middle), String(middle + 1)]);
    const all = await add('all shards', where, ['read', file, '0', String(plan.shards)]);
    check(all.rows === count, `${where}: ${all.rows} rows are read, of ${count}`);
  }
  const headings = ['what', 'where', 'posts', 'seconds', 'requests', 'MB answered', 'MB of files read', 'peak memory'];
  console.log(`\n${table(headings, rows)}\n\nReading decodes each image to 224 × 224 pixels.`);
}

const megabytes = (bytes) => (bytes / 1e6).toFixed(2);
