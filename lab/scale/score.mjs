// Posts in object storage, judged by one process, by two, and by Ray over hosts whose units, workers, nodes and submitter are
// cut off in the middle: every row once, all parts the same bytes, nothing half done left behind.
import { createHash } from 'node:crypto';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { ListMultipartUploadsCommand } from '@aws-sdk/client-s3';
import { parquetReadObjects } from 'hyparquet';
import { writeEncoders } from './encoders.mjs';
import { makeHosts } from './hosts.mjs';
import { cutPower, killAllKinds, killUnit, submitWork, tapServer } from './kills.mjs';
import { appOf, check, isUnit, mebibytes, table, watchMemory } from './laboratory.mjs';
import { makePosts } from './posts.mjs';
import { startRay, startS3 } from './servers.mjs';
import { findTool, MissingTool } from './tools.mjs';

const QUICK = { posts: 2000, perFile: 500, shard: 250 };
const FULL = { posts: 20_000, perFile: 2500, shard: 1250 };

/**
 * @param ways of `local1`, `local2`, `ray`: which are tried, in this order
 * @param run a trained run; default: one is trained, at its smallest, over small encoders
 */
export async function score(
  laboratory,
  { quick, install, posts, shard, 'per-file': perFile, run, ways = 'local1,local2,ray' },
) {
  const wanted = ways.split(',');
  check(
    wanted.every((way) => ['local1', 'local2', 'ray'].includes(way)),
    `--ways are of local1, local2 and ray, not ${ways}`,
  );
  const { folder, event, onEnd } = laboratory;
  const size = quick ? QUICK : FULL;
  const count = Number(posts ?? size.posts);
  const log = join(folder, 'log');
  const kind = quick ? 'moto' : 'versitygw';
  const [program, ray] = [
    await findTool(kind, install),
    wanted.includes('ray') ? await rayOrWhyNot(install, quick, event) : undefined,
  ];
  const lab = ray && (await makeHosts(quick ? 2 : 3));
  if (lab) onEnd(lab.remove);
  const address = lab?.address ?? '127.0.0.1';
  const s3 = await startS3(kind, { program, address, folder: join(folder, 's3'), log });
  onEnd(s3.stop);
  event(`${kind}: ${s3.endpoint}`);
  Object.assign(process.env, s3.env);
  const { openStorage } = await import('@drf/storage');

  const made = await makePosts(await openStorage(`s3://${s3.bucket}/posts`), {
    count,
    perFile: Number(perFile ?? size.perFile),
  });
  event(`${count} posts in ${made.parquet.files} files, ${made.parquet.bytes} bytes`);
  const model = run ?? join(folder, 'run');
  if (run === undefined) {
    await laboratory
      .program([
        appOf('train'),
        'quickstart-smoke',
        ...(await tinyEncoders(folder)),
        '--out',
        model,
        '--cache',
        join(folder, 'cache'),
        '--quiet',
      ]) // prettier-ignore
      .done();
    event('a run to judge with: trained');
  }

  const results = [];
  const judge = (out, ...more) => [appOf('predict'), model, `s3://${s3.bucket}/posts/`, '--out', `s3://${s3.bucket}/${out}/`, '--shard-posts', String(shard ?? size.shard), ...more]; // prettier-ignore
  const outputs = [];
  for (const way of wanted) {
    if (way === 'ray' && lab === undefined) continue;
    const storage = await openStorage(`s3://${s3.bucket}/${way}`);
    const trial = { laboratory, lab, s3, ray, log, quick, judge, out: way };
    const { seconds, memory, requests, notes } =
      way === 'ray' ? await byRay(trial) : await byThisMachine(trial, Number(way.slice(5)));
    const content = await contentOf(storage);
    check(
      content.rows === count,
      `${way}: ${content.rows} rows in the parts and among the rejected, of ${count} posts`,
    );
    check(content.twice === 0, `${way}: ${content.twice} rows are there twice`);
    check(content.strange.length === 0, `${way}: left behind: ${content.strange.join(', ')}`);
    const uploads = await s3.client.send(new ListMultipartUploadsCommand({ Bucket: s3.bucket }));
    check(
      !uploads.Uploads?.length,
      `${way}: ${uploads.Uploads?.length} unfinished uploads, such as ${uploads.Uploads?.[0]?.Key}`,
    );
    outputs.push([way, content]);
    results.push([way, count, content.parts, seconds.toFixed(1), (count / seconds).toFixed(1), mebibytes(memory.together), mebibytes(memory.single), requests.GET + requests.HEAD, requests.PUT + requests.POST, notes]); // prettier-ignore
    event(`${way}: every row once, in ${content.parts} parts; nothing else left`);
    await mkdir(folder, { recursive: true });
    await writeFile(join(folder, 'results.json'), `${JSON.stringify({ kind, count, model, results }, null, 2)}\n`);
  }
  const [[first, expected], ...others] = outputs;
  for (const [way, { files }] of others) {
    const different = [...new Set([...files.keys(), ...expected.files.keys()])].filter((name) => files.get(name) !== expected.files.get(name)); // prettier-ignore
    check(different.length === 0, `${way} and ${first} differ in ${different.slice(0, 5).join(', ')}`);
  }
  const headings = [
    'way',
    'posts',
    'parts',
    'seconds',
    'posts/s',
    'memory together',
    'largest process',
    'GETs',
    'PUTs',
    'what happened',
  ];
  console.log(
    `\n${table(headings, results)}\n\nthe parts of ${outputs.map(([way]) => way).join(', ')}: equal to the byte`,
  );
}

/** Options by which a training takes encoders that cost next to nothing: what is tried here is all that is around them. */
async function tinyEncoders(folder) {
  await writeEncoders(folder, { tiny: {} });
  return ['image', 'text'].flatMap((modality, at) => [
    `--encoders.${modality}`,
    `huggingface:${join(folder, ['tiny-vit', 'tiny-bert'][at])}`,
  ]);
}

async function rayOrWhyNot(install, quick, event) {
  try {
    return await findTool('ray', install);
  } catch (error) {
    if (!(error instanceof MissingTool) || !quick) throw error;
    event(`Ray is left out: ${error.message}`);
    return undefined;
  }
}

/** One process, or two of which one is killed in the middle of an upload. */
async function byThisMachine({ laboratory, s3, judge, out, lab }, jobs) {
  const { event } = laboratory;
  const tap = await tapServer(s3, { address: lab?.address ?? '127.0.0.1', below: `/${s3.bucket}/${out}/part-`, event });
  try {
    const killed = jobs > 1 ? tap.killNext() : () => undefined;
    const begun = laboratory.seconds();
    const program = laboratory.program(judge(out, '--jobs', String(jobs)), { env: tap.env });
    const memory = watchMemory(program.processes);
    await program.done();
    const result = {
      seconds: laboratory.seconds() - begun,
      memory: memory(),
      requests: tap.requests,
      notes: jobs > 1 ? `${killed()} unit killed in an upload` : '',
    };
    if (jobs > 1) check(killed() === 1, 'no unit was killed in its upload');
    return result;
  } finally {
    await tap.close();
  }
}

async function byRay({ laboratory, lab, s3, ray, log, quick, judge, out }) {
  const { event } = laboratory;
  const cluster = await startRay(lab, { ray, log, env: s3.env });
  event(`Ray: ${cluster.on}`);
  const hosts = lab.hosts.slice(1);
  const tap = await tapServer(s3, { address: lab.address, hosts, below: `/${s3.bucket}/${out}/part-`, event });
  try {
    const begun = laboratory.seconds();
    const submit = () => laboratory.program(judge(out, '--on', cluster.on), { env: { ...tap.env, ...cluster.env } });
    const work = submitWork(submit, { hosts, event });
    const memory = watchMemory(() => [
      ...work.processes(),
      ...hosts.flatMap((host) => host.processes().filter(isUnit)),
    ]);
    await killUnit({ ...work, aliveFor: 3000 });
    const killed = tap.killNext();
    if (!quick) {
      await killAllKinds(work);
      await cutPower(work);
    }
    await work.done();
    check(killed() === 1, 'no unit was killed in its upload');
    return { seconds: laboratory.seconds() - begun, memory: memory(), requests: tap.requests, notes: quick ? '2 units killed' : '2 units, a worker, a node, a machine, the submitter killed' }; // prettier-ignore
  } finally {
    await tap.close();
  }
}

/** What a job's folder holds: rows, rows that are there twice, hashes of its files by name, and what does not belong there. */
async function contentOf(storage) {
  const files = new Map();
  const seen = new Set();
  const strange = [];
  let [rows, twice, parts] = [0, 0, 0];
  const take = ({ file, row }) => {
    const key = `${file}:${row}`;
    rows++;
    if (seen.has(key)) twice++;
    seen.add(key);
  };
  for await (const { path, bytes } of storage.list()) {
    if (path === '_SUCCESS.json' || /^_job\/(plans\/[0-9a-f]{64}|counts\/\d+)\.json$/.test(path)) continue;
    const isPart = /^part-[^/]*\.(jsonl|csv|parquet)$/.test(path);
    if (!isPart && !/^rejected-[^/]*\.jsonl$/.test(path)) {
      strange.push(path);
      continue;
    }
    const content = await (await storage.open(path)).read(0, bytes);
    files.set(path, createHash('sha256').update(content).digest('hex'));
    if (isPart) parts++;
    if (path.endsWith('.parquet')) {
      const buffer = content.buffer.slice(content.byteOffset, content.byteOffset + content.length);
      for (const row of await parquetReadObjects({ file: buffer, columns: ['file', 'row'] })) take(row);
    } else {
      for (const line of Buffer.from(content).toString('utf8').split('\n').filter(Boolean)) take(JSON.parse(line));
    }
  }
  return { files, rows, twice, parts, strange };
}
