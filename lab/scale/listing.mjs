// A listing of a great many keys, of an S3 server and of a folder: how long, and how much memory.
import { mkdir, open } from 'node:fs/promises';
import { join } from 'node:path';
import { check, measure, mebibytes, table, wholeNumber } from './laboratory.mjs';
import { startS3 } from './servers.mjs';
import { findTool } from './tools.mjs';

export async function listing(laboratory, { install, keys = '100000' }) {
  const { folder, event, onEnd } = laboratory;
  const count = wholeNumber('--keys', keys);
  const program = await findTool('versitygw', install);
  const [root, log] = [join(folder, 's3'), join(folder, 'log')];
  const s3 = await startS3('versitygw', { program, address: '127.0.0.1', folder: root, log });
  onEnd(s3.stop);
  event(`versitygw: ${s3.endpoint}`);
  const place = join(root, s3.bucket, 'many'); // the server's files are the keys
  await makeKeys(place, count);
  event(`${count} keys: made`);

  const rows = [];
  for (const [where, location] of [
    ['versitygw', `s3://${s3.bucket}/many`],
    ['a folder', place],
  ]) {
    const { keys: found, seconds, before, peak } = await measure(laboratory, ['list', location], s3.env);
    check(found === count, `${where}: ${found} keys are listed, of ${count}`);
    rows.push([where, found, seconds.toFixed(2), mebibytes(before), mebibytes(peak)]);
    event(`listed: ${where}`);
  }
  console.log(`\n${table(['where', 'keys', 'seconds', 'memory before', 'peak memory'], rows)}`);
}

/** Makes empty files in a folder, which are keys of the server whose folder it is. */
export async function makeKeys(place, count) {
  await mkdir(place, { recursive: true });
  for (let index = 0; index < count; index++)
    await (await open(join(place, `${String(index).padStart(6, '0')}.jpg`), 'w')).close();
}
