// What goes wrong at the edges of work on several machines, one case after the other: each must end in one line that says what
// is wrong, without a stack, and without losing a row that can be read.
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { appOf, check, Finding } from './laboratory.mjs';
import { makeKeys } from './listing.mjs';
import { makePosts } from './posts.mjs';
import { freePort, startS3 } from './servers.mjs';
import { findTool } from './tools.mjs';

const POSTS = 40;
const KEYS = 100_000;

export async function badInput(laboratory, { install, only }) {
  const { folder, event, onEnd } = laboratory;
  const s3 = await startAnyS3(laboratory, install);
  onEnd(s3.stop);
  event(`${s3.kind}: ${s3.endpoint}`);
  const credentials = Object.keys(s3.env);
  Object.assign(process.env, s3.env);
  const { openStorage } = await import('@drf/storage');
  const model = join(folder, 'run');
  await laboratory
    .program([appOf('train'), 'quickstart-smoke', '--out', model, '--cache', join(folder, 'cache'), '--quiet'])
    .done();
  await makePosts(await openStorage('s3://lab/posts'), { count: POSTS, formats: ['jsonl'], perFile: 20, distinct: 10 });
  event('a run and posts: made');

  /** Runs `predict`. @returns how it ended, and what it said */
  const predict = async (input, out, { more = [], env = {} } = {}) => {
    const args = [appOf('predict'), model, input, '--out', out, '--format', 'jsonl', '--quiet', ...more];
    const program = laboratory.program(args, { env });
    const { code, signal } = await program.ended;
    return { code: code ?? signal, error: program.error.trim(), out: program.out };
  };
  const refused = async (pattern, ...how) => {
    const result = await predict(...how);
    check(result.code !== 0, 'it ended well');
    check(pattern.test(result.error), `it did not say ${pattern}: ${result.error.slice(-600)}`);
    return result;
  };
  const without = (names) => Object.fromEntries(names.map((name) => [name, '']));
  const rowsOf = async (location) => {
    const storage = await openStorage(location);
    const rows = { judged: 0, rejected: [] };
    for await (const { path, bytes } of storage.list()) {
      const lines = async () =>
        Buffer.from(await (await storage.open(path)).read(0, bytes))
          .toString()
          .split('\n')
          .filter(Boolean);
      if (/^part-.*\.jsonl$/.test(path)) rows.judged += (await lines()).length;
      if (/^rejected-/.test(path)) rows.rejected.push(...(await lines()).map((line) => JSON.parse(line)));
    }
    return rows;
  };
  const put = async (key, content) => (await openStorage('s3://lab/')).write(key, content);

  const cases = {
    'a bucket that is not there': () => refused(/bucket/i, 's3://no-such-bucket/posts/', 's3://lab/out-bucket/'),
    'a prefix with nothing below': () =>
      refused(/nothing|no (files|posts|table)/i, 's3://lab/no-such-prefix/', 's3://lab/out-prefix/'),
    'no credentials': () =>
      refused(/credentials/i, 's3://lab/posts/', 's3://lab/out-credentials/', {
        env: { ...without(credentials.filter((name) => /KEY/.test(name))), HOME: join(folder, 'nobody') },
      }),
    'credentials of nobody': () =>
      s3.kind === 'moto'
        ? skipped('moto takes any')
        : refused(/access|denied|credential|key/i, 's3://lab/posts/', 's3://lab/out-nobody/', {
            env: { AWS_ACCESS_KEY_ID: 'nobody', AWS_SECRET_ACCESS_KEY: 'nothing' },
          }),
    'a store that does not answer': async () =>
      refused(/127\.0\.0\.1|answer|reach|connect/i, 's3://lab/posts/', 's3://lab/out-answer/', {
        env: { AWS_ENDPOINT_URL_S3: `http://127.0.0.1:${await freePort('127.0.0.1')}` },
      }),
    [`a listing of ${KEYS} keys`]: async () => {
      if (s3.kind !== 'versitygw') return skipped('so many keys are made in a folder, which takes versitygw');
      await makeKeys(join(folder, 's3', 'lab', 'many', 'pictures'), KEYS);
      await makePosts(await openStorage('s3://lab/many'), {
        count: POSTS,
        formats: ['jsonl'],
        perFile: POSTS,
        distinct: 10,
      });
      const begun = laboratory.seconds();
      const result = await predict('s3://lab/many/', 's3://lab/out-many/');
      check(result.code === 0, result.error);
      const { judged, rejected } = await rowsOf('s3://lab/out-many');
      check(judged + rejected.length === POSTS, `${judged + rejected.length} rows, of ${POSTS}`);
      return { ...result, error: `${POSTS} posts judged in ${(laboratory.seconds() - begun).toFixed(1)} s` };
    },
    'an image whose key leads out of the prefix': async () => {
      await put('secret.jpg', 'not for reading');
      const images = ['../secret.jpg', '/secret.jpg', 's3://lab/secret.jpg', 'a/../../secret.jpg'];
      const lines = images.map((image, row) => JSON.stringify({ id: `x${row}`, text: 'what a lovely day', image }));
      await put(
        'escape/posts.jsonl',
        [...lines, JSON.stringify({ id: 'good', text: 'a good one', image: null })].join('\n'),
      );
      const result = await predict('s3://lab/escape/', 's3://lab/out-escape/');
      const { judged, rejected } = await rowsOf('s3://lab/out-escape');
      check(judged === 1 && rejected.length === images.length, `${judged} judged, ${rejected.length} rejected: ${result.error.slice(-400)}`); // prettier-ignore
      return { ...result, error: `${judged} judged, ${rejected.length} rejected: ${reasonOf(rejected[0])}` };
    },
    'a tar that ends in the middle': async () => {
      await makePosts(await openStorage(join(folder, 'tar')), {
        count: POSTS,
        formats: ['tar'],
        perFile: POSTS,
        distinct: 10,
      });
      const whole = await readFile(join(folder, 'tar', 'posts-00000.tar'));
      await put('cut/posts.tar', whole.subarray(0, Math.floor(whole.length / 2) + 100));
      const result = await predict('s3://lab/cut/', 's3://lab/out-cut/');
      const { judged, rejected } = await rowsOf('s3://lab/out-cut').catch(() => ({ judged: 0, rejected: [] }));
      check(judged > 0 || result.code !== 0, 'nothing was judged, and nothing said');
      const last = rejected.at(-1);
      check(last !== undefined || result.code !== 0, `${judged} judged, and nothing says that the file is cut`);
      return {
        ...result,
        error: `${judged} judged, ${rejected.length} rejected${last ? `: ${reasonOf(last)}` : `; ${result.error}`}`,
      };
    },
    'an input that changes after the plan': async () => {
      await makePosts(await openStorage('s3://lab/changing'), {
        count: 20,
        formats: ['jsonl'],
        perFile: 20,
        distinct: 10,
      });
      const planned = await predict('s3://lab/changing/', 's3://lab/out-changing/', { more: ['--on', 'plan'] });
      check(planned.code === 0, planned.error);
      const plan = await firstBelow(openStorage, 's3://lab/out-changing', /^_job\/plans\//);
      await put('changing/posts-00000.jsonl', '{"id":"other","text":"another one"}\n');
      const unit = laboratory.program([appOf('predict').replace('main.js', 'unit.js'), plan, '0']);
      const { code } = await unit.ended;
      check(code === 65, `the unit ended with ${code}: ${unit.error.slice(-600)}`);
      check(/chang|version/i.test(unit.error), unit.error.slice(-600));
      return { code, error: unit.error.trim() };
    },
    'an engine that is not there': async () =>
      refused(/reach|answer|connect/i, 's3://lab/posts/', 's3://lab/out-engine/', {
        more: ['--on', `ray://127.0.0.1:${await freePort('127.0.0.1')}`],
      }),
    'an engine of a version that is too old': () =>
      withServer({ status: 200, json: { version: '4', ray_version: '1.13.0', ray_commit: 'x' } }, (on) =>
        refused(/version|1\.13\.0/i, 's3://lab/posts/', 's3://lab/out-old/', { more: ['--on', on] }),
      ),
    'an engine that refuses the token': () =>
      withServer({ status: 401, json: { error: 'Unauthorized: Invalid or missing authentication token' } }, (on) =>
        refused(/token/i, 's3://lab/posts/', 's3://lab/out-token/', {
          more: ['--on', on],
          env: { RAY_AUTH_TOKEN: 'wrong' },
        }),
      ),
    'something else where an engine should be': () =>
      withServer({ status: 404, json: 'nothing here' }, (on) =>
        refused(/ray|engine/i, 's3://lab/posts/', 's3://lab/out-else/', { more: ['--on', on] }),
      ),
  };

  let [passed, failures, skips] = [0, 0, 0];
  for (const [name, perform] of Object.entries(cases)) {
    if (only !== undefined && !name.includes(only)) continue;
    const begun = laboratory.seconds();
    try {
      const { code, error, skip } = await perform();
      if (skip) skips++;
      if (skip) console.log(`skipped: ${name} (${skip})`);
      else {
        checkOneLine(error);
        passed++;
        console.log(`${name}: exit code ${code}, ${(laboratory.seconds() - begun).toFixed(1)} s\n    ${error}`);
      }
    } catch (error) {
      if (!(error instanceof Finding)) throw error;
      failures++;
      console.log(`${name}: NOT AS IT SHOULD BE\n    ${error.message}`);
    }
  }
  console.log(`\n${passed} as they should be, ${failures} not, ${skips} skipped`);
  check(failures === 0, `${failures} cases are not as they should be`);
}

/** versitygw where it is to be had, else moto. */
async function startAnyS3({ folder }, install) {
  const log = join(folder, 'log');
  const found = await findTool('versitygw').catch(() => undefined);
  if (found) return startS3('versitygw', { program: found, address: '127.0.0.1', folder: join(folder, 's3'), log });
  return startS3('moto', { program: await findTool('moto', install), address: '127.0.0.1', log });
}

const skipped = (skip) => Promise.resolve({ skip });
const reasonOf = (row) => row.reason ?? row.error ?? JSON.stringify(row);

function checkOneLine(error) {
  check(!/^\s+at .+:\d+:\d+\)?$/m.test(error), `it prints a stack:\n${error}`);
  const lines = error.split('\n').filter((line) => line.trim() !== '');
  check(lines.length === 1, `it says ${lines.length} lines:\n${error.slice(0, 2000)}`);
}

async function firstBelow(openStorage, location, pattern) {
  const storage = await openStorage(location);
  for await (const { path } of storage.list())
    if (pattern.test(path)) return `${storage.location.replace(/\/$/, '')}/${path}`;
  throw new Finding(`there is nothing like ${pattern} below ${location}`);
}

async function withServer({ status, json }, perform) {
  const server = createServer((_, answer) => {
    answer.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(json));
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  try {
    return await perform(`ray://127.0.0.1:${server.address().port}`);
  } finally {
    server.closeAllConnections();
    server.close();
  }
}
