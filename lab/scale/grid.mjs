// A grid of trainings by this machine alone, and by Ray over hosts whose processes, nodes, cables and submitter are cut off in
// the middle: the stores must be equal to the bit, with every result once.
import { execFile } from 'node:child_process';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { makeHosts } from './hosts.mjs';
import { cutPower, killAllKinds, killUnit, pullCable, submitWork } from './kills.mjs';
import { appOf, check, ROOT, table } from './laboratory.mjs';
import { startRay } from './servers.mjs';
import { findTool } from './tools.mjs';

const run = promisify(execFile);

const FULL = { args: ['--methods', 'concatenation', '--ablations', 'no-pair-expansion'], seeds: '0-11' };
const QUICK = { args: ['--methods', 'concatenation', '--ablations', 'no-pair-expansion'], seeds: '0-1' };

export async function grid(laboratory, { quick, install, seeds, cable = 85 }) {
  const { folder, event, program, onEnd } = laboratory;
  const ray = await findTool('ray', install);
  const { args, seeds: standard } = quick ? QUICK : FULL;
  const gridArgs = (place, ...more) => [appOf('eval'), 'grid', 'smoke', ...args, '--seeds', seeds ?? standard, '--dr', '0.6', '--settings', 'C', '--out', join(folder, place), '--cache', join(folder, `${place}-cache`), ...more, '--quiet']; // prettier-ignore

  const times = [];
  const timed = async (what, work) => {
    const begun = laboratory.seconds();
    const result = await work();
    times.push([what, `${(laboratory.seconds() - begun).toFixed(1)} s`]);
    return result;
  };

  await timed('by this machine (--on local)', () => program(gridArgs('local')).done());
  event('grid by this machine alone: done');

  const lab = await makeHosts(quick ? 2 : 3);
  onEnd(lab.remove);
  const cluster = await timed('Ray started', () => startRay(lab, { ray, log: join(folder, 'log') }));
  event(`Ray: ${cluster.on}, head and ${lab.hosts.length - 1} node(s) of 2 cores`);
  const refused = await cluster.postWithoutToken();
  check(refused === 401, `a job posted without a token must be refused by 401, but was answered by ${refused}`);
  event('a job posted without a token: 401');

  const submit = () => program(gridArgs('ray', '--on', cluster.on), { env: cluster.env });
  await timed(`by Ray over ${lab.hosts.length} hosts, with what is listed above`, async () => {
    const work = submitWork(submit, { hosts: lab.hosts.slice(1), event });
    event('grid by Ray: submitted');
    await killUnit(work);
    if (!quick) {
      await killAllKinds(work);
      await pullCable({ ...work, seconds: Number(cable) });
      if (!work.isOver()) await cutPower(work).catch((error) => event(`no power cut: ${error.message}`));
    }
    await work.done();
    event('grid by Ray: done');
  });

  const { trainings, distinct } = contentOf(join(folder, 'ray', 'results.sqlite'));
  check(trainings === distinct, `${trainings} trainings in the store, but only ${distinct} different ones`);
  const local = contentOf(join(folder, 'local', 'results.sqlite'));
  check(trainings === local.trainings, `${trainings} trainings by Ray, ${local.trainings} by this machine`);
  const compared = await run(process.execPath, ['--no-warnings', join(ROOT, 'scripts/compare-stores.mjs'), join(folder, 'local/results.sqlite'), join(folder, 'ray/results.sqlite')]).catch((error) => error); // prettier-ignore
  check(compared.code === undefined, `the stores differ:\n${compared.stdout}${compared.stderr}`);
  console.log(
    `\n${table(['what', 'time'], times)}\n\n${trainings} trainings, each once; ${compared.stdout.trim()}: equal to the bit`,
  );
}

function contentOf(path) {
  const Database = createRequire(join(ROOT, 'packages/evaluation/package.json'))('libsql');
  const database = new Database(path, { readonly: true });
  const [own] = database
    .prepare('SELECT count(*) AS trainings, count(DISTINCT address) AS "distinct" FROM training')
    .all();
  database.close();
  return own;
}
