// How long a great many posts take, what they cost, and what failures waste: arithmetic from measured figures, and a simulation
// of the queue of shards, event by event. Nothing here runs a model; every figure that goes in is an option.
import { writeFile } from 'node:fs/promises';
import { createRandom } from '../../scripts/random.mjs';
import { table } from './laboratory.mjs';

/** Options with their defaults, what they mean, and where the default comes from. */
export const BILLION = {
  posts: [1e9, 'posts', ''],
  processes: ['10,100,500', 'processes that judge, each of one core', ''],
  'shard-posts': [100_000, 'posts a shard', 'the design'],
  'posts-per-second': [
    36,
    'posts a second and process',
    'pnpm scale score --posts 12000 --ways local2 --run RUN, a run of pnpm start: 72 by two processes on two cores',
  ],
  'post-bytes': [5_826, 'bytes of input a post', 'pnpm scale posts 20000: 116,518,515 bytes'],
  'answer-bytes': [154, 'bytes of output a post', 'pnpm scale score: 11,515 bytes of Parquet for 75 posts'],
  'row-group': [250, 'rows of a row group', 'pnpm scale posts'],
  'gets-per-row-group': [1, 'ranged GETs a row group', 'assumed: one range that covers its columns'],
  'part-bytes': [8 * 2 ** 20, 'bytes of a part of an upload', 'assumed'],
  'unit-bytes': [400, 'bytes of the plan a unit', 'pnpm scale score: 211 a unit and 185 a file'],
  'start-seconds': [8, 'seconds until a unit’s process judges: Python worker, Node, model', 'assumed'],
  'speed-spread': [0.15, 'standard deviation of the logarithm of a unit’s speed', 'assumed'],
  'straggler-share': [0.01, 'share of units that a slow machine gets', 'assumed'],
  'straggler-factor': [4, 'how many times slower these are', 'assumed'],
  'crash-share': [0.001, 'share of tries that die by themselves (memory, the kernel)', 'assumed'],
  'node-processes': [16, 'processes a node', 'assumed'],
  'node-days': [30, 'days between failures of a node', 'assumed'],
  'detect-seconds': [300, 'seconds until a dead node’s units are given out again', 'seen with Ray 2.60, cable pulled'],
  'repair-minutes': [10, 'minutes until another node stands in', 'assumed'],
  tries: [5, 'tries a unit that dies, or whose node does, before it is given up', '@drf/units, by Ray and Slurm'],
  'core-price': [0.04, 'dollars a core and hour', 'assumed, on demand'],
  'put-price': [
    0.005,
    'dollars for 1,000 PUTs or LISTs',
    'assumed: S3 Standard, us-east-1, as known in 2025; not looked up',
  ],
  'get-price': [0.0004, 'dollars for 1,000 GETs', 'assumed: S3 Standard, us-east-1, as known in 2025; not looked up'],
  'storage-price': [
    0.023,
    'dollars a GB and month',
    'assumed: S3 Standard, us-east-1, as known in 2025; not looked up',
  ],
  'put-rate': [3500, 'PUTs a second and prefix', 'AWS, “Optimizing S3 performance”, at least'],
  'get-rate': [5500, 'GETs a second and prefix', 'AWS, “Optimizing S3 performance”, at least'],
  seed: [1, 'decides every draw', ''],
};

/** Events in the order of their times. */
class EventQueue {
  #heap = [];
  push(time, event) {
    const heap = this.#heap;
    let at = heap.push({ time, event }) - 1;
    while (at > 0 && heap[(at - 1) >> 1].time > heap[at].time) {
      const above = (at - 1) >> 1;
      [heap[above], heap[at]] = [heap[at], heap[above]];
      at = above;
    }
  }
  pop() {
    const heap = this.#heap;
    const first = heap[0];
    const last = heap.pop();
    if (heap.length === 0) return first;
    heap[0] = last;
    for (let at = 0; ;) {
      let least = at;
      for (const below of [2 * at + 1, 2 * at + 2])
        if (below < heap.length && heap[below].time < heap[least].time) least = below;
      if (least === at) return first;
      [heap[at], heap[least]] = [heap[least], heap[at]];
      at = least;
    }
  }
  get size() {
    return this.#heap.length;
  }
}

/**
 * Runs the queue of shards to its end: each process takes the next shard, works on it for a time drawn at random, and may die
 * of it; nodes fail, what their processes had begun waits until that is noticed, and another node stands in later.
 * @returns seconds until the last shard is done, seconds of work and of work lost, tries, failures
 */
export function simulate(options, processes, seed) {
  const random = createRandom(seed);
  const normal = () => Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
  const exponential = (mean) => -mean * Math.log(1 - random());
  const shards = Math.ceil(options.posts / options['shard-posts']);
  const usual = options['shard-posts'] / options['posts-per-second'];
  const nodes = Math.ceil(processes / options['node-processes']);
  const meanLife = 86_400 * options['node-days'];
  const queue = new EventQueue();
  const waiting = []; // shards to be done again go first: the last shards are then not retries
  const tries = new Uint8Array(shards);
  const work = new Array(processes).fill(undefined); // what each process does, as { shard, begun, end }
  const idle = new Set();
  const result = {
    shards,
    seconds: 0,
    busy: 0,
    wasted: 0,
    tries: 0,
    crashes: 0,
    nodeFailures: 0,
    givenUp: 0,
    done: 0,
    tail: 0,
  };
  let next = 0;
  let emptyAt;

  const timeOfShard = () => {
    const slow = random() < options['straggler-share'] ? options['straggler-factor'] : 1;
    return options['start-seconds'] + usual * slow * Math.exp(options['speed-spread'] * normal());
  };
  const begin = (process, now) => {
    const shard = waiting.length > 0 ? waiting.shift() : next < shards ? next++ : undefined;
    if (shard === undefined) {
      emptyAt ??= now;
      idle.add(process);
      return;
    }
    tries[shard]++;
    result.tries++;
    const whole = timeOfShard();
    const dies = random() < options['crash-share'];
    const own = { shard, begun: now, dies };
    work[process] = own;
    queue.push(now + (dies ? whole * random() : whole), { kind: 'over', process, own });
  };
  const again = (shard, now) => {
    if (tries[shard] >= options.tries) result.givenUp++;
    else {
      waiting.push(shard);
      const [free] = idle;
      if (free !== undefined) {
        idle.delete(free);
        begin(free, now);
      }
    }
  };
  const processesOf = (node) => {
    const first = node * options['node-processes'];
    return Array.from({ length: Math.min(options['node-processes'], processes - first) }, (_, i) => first + i);
  };

  for (let node = 0; node < nodes; node++) queue.push(exponential(meanLife), { kind: 'failure', node });
  for (let process = 0; process < processes; process++) begin(process, 0);
  while (result.done + result.givenUp < shards && queue.size > 0) {
    const { time, event } = queue.pop();
    if (event.kind === 'over') {
      const { process, own } = event;
      if (work[process] !== own) continue; // its node failed meanwhile
      work[process] = undefined;
      result.busy += time - own.begun;
      if (own.dies) {
        result.crashes++;
        result.wasted += time - own.begun;
        again(own.shard, time);
      } else {
        result.done++;
        result.seconds = time;
      }
      begin(process, time);
    } else if (event.kind === 'failure') {
      result.nodeFailures++;
      for (const process of processesOf(event.node)) {
        idle.delete(process);
        const own = work[process];
        work[process] = undefined;
        if (own === undefined) continue;
        result.busy += time - own.begun;
        result.wasted += time - own.begun;
        queue.push(time + options['detect-seconds'], { kind: 'noticed', shard: own.shard });
      }
      queue.push(time + 60 * options['repair-minutes'], { kind: 'repaired', node: event.node });
    } else if (event.kind === 'noticed') {
      again(event.shard, time);
    } else {
      for (const process of processesOf(event.node)) begin(process, time);
      queue.push(time + exponential(meanLife), { kind: 'failure', node: event.node });
    }
  }
  result.tail = Math.max(0, result.seconds - (emptyAt ?? result.seconds));
  return result;
}

/** What the run asks of the object storage, and what that costs. */
export function requests(options, tries) {
  const { posts } = options;
  const shards = Math.ceil(posts / options['shard-posts']);
  const output = options['shard-posts'] * options['answer-bytes'];
  const parts = Math.ceil(output / options['part-bytes']);
  const perTry = {
    gets: 1 + 1 + Math.ceil(options['shard-posts'] / options['row-group']) * options['gets-per-row-group'], // plan, footer, groups
    puts: (parts > 1 ? parts + 2 : 1) + 1, // begin, parts, complete; the rows that were refused
  };
  const planning = { gets: 2 * shards, puts: Math.ceil(shards / 1000) + 1 }; // footers; listing, plan
  const watching = { gets: 0, puts: 2 * Math.ceil((2 * shards) / 1000) }; // listings of what is there
  const gets = perTry.gets * tries + planning.gets;
  const puts = perTry.puts * tries + planning.puts + watching.puts;
  return {
    gets,
    puts,
    dollars: (gets * options['get-price'] + puts * options['put-price']) / 1000,
    inputBytes: posts * options['post-bytes'],
    outputBytes: posts * options['answer-bytes'],
    planBytes: shards * options['unit-bytes'],
  };
}

const figure = (value, digits = 0) =>
  value.toLocaleString('en-US', { maximumFractionDigits: digits, minimumFractionDigits: digits });
const bytes = (value) => (value >= 1e12 ? `${figure(value / 1e12, 2)} TB` : value >= 1e9 ? `${figure(value / 1e9, 1)} GB` : `${figure(value / 1e6, 1)} MB`); // prettier-ignore
const percent = (value) => `${figure(100 * value, 2)} %`;

/** Prints the tables and, where a name is given, writes the chart. */
export async function billion(given, { svg }) {
  const options = Object.fromEntries(Object.entries(BILLION).map(([name, [value]]) => [name, given[name] ?? value]));
  const counts = String(options.processes).split(',').map(Number);
  for (const [name, value] of Object.entries(options)) {
    if (name !== 'processes') options[name] = Number(value);
    if (![options[name]].flat().every((one) => name === 'processes' || (Number.isFinite(one) && one >= 0))) {
      throw new Error(`--${name} is a number, not ${value}`);
    }
  }
  if (!counts.every((count) => Number.isInteger(count) && count > 0))
    throw new Error('--processes are whole numbers, with commas');

  const print = (text) => void process.stdout.write(`${text}\n`);
  print('What goes in:\n');
  print(table(['option', 'value', 'what', 'source'], Object.entries(BILLION).map(([name, [standard, what, source]]) => [`--${name}`, typeof options[name] === 'number' ? options[name].toLocaleString('en-US', { maximumFractionDigits: 4 }) : options[name], what, given[name] === undefined || String(given[name]) === String(standard) ? source : 'given']))); // prettier-ignore

  const rowOf = (processes, own) => {
    const ran = simulate(own, processes, own.seed);
    const asked = requests(own, ran.tries);
    const ideal = own.posts / own['posts-per-second'] / processes;
    const hours = (ran.seconds * processes) / 3600;
    return { ran, asked, ideal, compute: hours * own['core-price'], rate: asked.gets / ran.seconds };
  };
  print(`\n${figure(options.posts)} posts in shards of ${figure(options['shard-posts'])}:\n`);
  print(
    table(
      ['processes', 'hours', 'without loss', 'tail min', 'nodes failed', 'tries more', 'work lost', 'GETs', 'PUTs, LISTs', 'GETs/s', 'requests $', 'compute $'],
      counts.map((processes) => {
        const { ran, asked, ideal, compute, rate } = rowOf(processes, options);
        return [processes, figure(ran.seconds / 3600, 2), figure(ideal / 3600, 2), figure(ran.tail / 60, 1), ran.nodeFailures, ran.tries - ran.shards, percent(ran.wasted / ran.busy), figure(asked.gets), figure(asked.puts), figure(rate, 1), figure(asked.dollars, 2), figure(compute)];
      }),
    ),
  ); // prettier-ignore

  const many = Math.max(...counts);
  const sizes = [5_000, 10_000, 20_000, 50_000, 100_000, 200_000, 500_000, 1_000_000].filter(
    (size) => size * many <= options.posts,
  );
  const bySize = sizes.map((size) => ({ size, ...rowOf(many, { ...options, 'shard-posts': size }) }));
  print(`\nBy the size of a shard, ${many} processes:\n`);
  print(
    table(
      ['posts a shard', 'units', 'plan', 'minutes a shard', 'hours', 'tail min', 'work lost', 'starts', 'requests $'],
      bySize.map(({ size, ran, asked }) => [figure(size), figure(ran.shards), bytes(asked.planBytes), figure(size / options['posts-per-second'] / 60, 1), figure(ran.seconds / 3600, 2), figure(ran.tail / 60, 1), percent(ran.wasted / ran.busy), percent((ran.tries * options['start-seconds']) / ran.busy), figure(asked.dollars, 2)]),
    ),
  ); // prettier-ignore
  const { inputBytes, outputBytes } = requests(options, 0);
  const perSecond = (many * options['posts-per-second'] * options['post-bytes'] * 8) / 1e9;
  print(`
input ${bytes(inputBytes)} ($${figure((inputBytes / 1e9) * options['storage-price'])} a month), output ${bytes(outputBytes)}; ${many} processes read ${figure(perSecond, 2)} Gbit/s
a prefix serves ${figure(options['get-rate'])} GETs and ${figure(options['put-rate'])} PUTs a second: enough for ${figure(options['get-rate'] / ((options['posts-per-second'] * options['gets-per-row-group']) / options['row-group']))} processes`); // prettier-ignore
  if (svg !== undefined) {
    const { lineChart } = await import('@drf/experiment');
    const line = (name, factor, points, dashed) => ({
      name,
      dashed,
      points: points.map(([x, y]) => ({ x, y: y / 3600 / factor })),
    });
    const chart = lineChart(
      'shard-size',
      `Hours for ${figure(options.posts)} posts by ${many} processes, by the size of a shard`,
      [
        line('with failures and slow machines', 1, bySize.map(({ size, ran }) => [size / 1000, ran.seconds])),
        line('no loss, no start, all equally fast', 1, bySize.map(({ size, ideal }) => [size / 1000, ideal]), true),
      ],
      { xName: 'thousand posts a shard', yName: 'hours' },
    ); // prettier-ignore
    await writeFile(svg, chart.svg);
    print(`chart: ${svg}`);
  }
}
