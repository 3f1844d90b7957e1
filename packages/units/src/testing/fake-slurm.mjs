// Stands for sbatch, squeue, scontrol and scancel, as its first argument says; its state lies in FAKE_SLURM.
// Arrays run one task after the other, those that wait for another one when that is over.
import { spawn } from 'node:child_process';
import {
  appendFileSync,
  existsSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';

const folder = process.env.FAKE_SLURM;
const [command, ...args] = process.argv.slice(2);
const file = (...names) => join(folder, names.join('-'));
const option = (name) => args.find((arg) => arg.startsWith(`--${name}=`))?.slice(name.length + 3);
const arrays = () => readdirSync(folder).flatMap((name) => /^array-(\d+)$/.exec(name)?.[1] ?? []);
const read = (id) => JSON.parse(readFileSync(file('array', id), 'utf8'));
const write = (array) => {
  const temporary = file('temporary', array.id, process.pid);
  writeFileSync(temporary, JSON.stringify(array));
  renameSync(temporary, file('array', array.id)); // others read it meanwhile
};

function expand(ranges) {
  return ranges
    .split('%')[0]
    .split(',')
    .flatMap((range) => {
      const [first, last = first] = range.split('-').map(Number);
      return Array.from({ length: last - first + 1 }, (_, step) => first + step);
    });
}

/** Runs a task until it is not put into the queue again. */
async function perform(array, task) {
  for (let restarts = 0; ; restarts++) {
    const log = openSync(array.output.replace('%A', array.id).replace('%a', task), 'a');
    const env = {
      ...process.env,
      SLURM_ARRAY_JOB_ID: array.id,
      SLURM_ARRAY_TASK_ID: task,
      ...(restarts > 0 ? { SLURM_RESTART_COUNT: restarts } : {}),
    };
    const child = spawn('bash', [array.script, array.base], { env, stdio: ['ignore', log, log], detached: true });
    const timer = setInterval(() => {
      const isOver = existsSync(file('requeue', array.id, task)) || !existsSync(file('array', array.id));
      if (isOver)
        try {
          process.kill(-child.pid, 'SIGKILL');
        } catch {}
    }, 50);
    await new Promise((resolve) => child.on('close', resolve));
    clearInterval(timer);
    if (!existsSync(file('requeue', array.id, task))) return;
    rmSync(file('requeue', array.id, task));
  }
}

if (command === 'sbatch') {
  appendFileSync(file('calls'), `${args.join(' ')}\n`);
  if (existsSync(file('refuse'))) {
    process.stderr.write('sbatch: error: invalid partition specified: nowhere\n');
    process.exit(1);
  }
  const id = String(arrays().length + 1);
  const [script, base] = args.slice(-2);
  const after = option('dependency')?.split(':').slice(1) ?? [];
  const tasks = expand(option('array'));
  write({ id, script, base, after, tasks, running: null, name: option('job-name'), output: option('output') });
  spawn(process.execPath, [process.argv[1], 'perform', id], { detached: true, stdio: 'ignore' }).unref();
  console.log(id);
}
if (command === 'perform') {
  const array = read(args[0]);
  while (array.after.some((id) => existsSync(file('array', id)) && read(id).tasks.length > 0)) {
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  while (array.tasks.length > 0 && existsSync(file('array', array.id))) {
    array.running = array.tasks[0];
    write(array);
    await perform(array, array.running);
    array.tasks.shift();
    array.running = null;
    if (existsSync(file('array', array.id))) write(array);
  }
}
if (command === 'squeue') {
  for (const id of arrays()) {
    const { tasks, running, base, name } = read(id);
    if (name !== option('name')) continue;
    const waiting = tasks.filter((task) => task !== running);
    if (waiting.length > 0) console.log(`${id}|${waiting.join(',')}%2|PENDING|${base}|`);
    if (running !== null) console.log(`${id}|${running}|RUNNING|${base}|h2`);
  }
}
if (command === 'scontrol' && args[0] === 'show')
  console.log('SelectType = x\nMaxArraySize            = 4\nMaxDBDMsgs = 1');
if (command === 'scontrol' && args[0] === 'requeue') writeFileSync(file('requeue', ...args[1].split('_')), '');
if (command === 'scancel') for (const id of args) rmSync(file('array', id), { force: true });
