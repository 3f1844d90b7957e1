import { join } from 'node:path';
import { writeFileAtomic } from '@drf/files';
import { ConfigurationError, refuser } from '@drf/tensor';
import {
  EXIT,
  ExitRequest,
  findProgram,
  finiteNumber,
  startProgress,
  suggestion,
  wholeNumber,
  withExamples,
  type Command,
} from '@drf/terminal';
import { CLASSES } from './classes.js';
import { measureGrowth, type TopicGrowth } from './growth.js';
import { POSTS } from './posts.js';
import { QUEUE } from './queue.js';
import { RANKS } from './ranks.js';
import { growthChart, growthText } from './report.js';
import { TOKENS } from './tokens.js';
import type { Operation, Topic } from './topic.js';

const TOPICS: readonly Topic[] = [POSTS, CLASSES, QUEUE, TOKENS, RANKS];
const NAMES = TOPICS.map(({ name }) => name);

/** The sizes of each topic are an option of its name. */
interface GrowthFlags extends Readonly<Record<string, unknown>> {
  readonly only?: readonly string[];
  readonly operation?: string;
  readonly size?: number;
  readonly calls: number;
  readonly margin: number;
  readonly charts?: string;
  readonly json?: boolean;
}

/** "1000,1e4", ascending. */
function sizesFrom(smallest: number): (text: string) => readonly number[] {
  return (text) => {
    const sizes = text.split(',').map(wholeNumber(smallest));
    if (sizes.length >= 2 && sizes.every((size, i) => i === 0 || size > (sizes[i - 1] as number))) return sizes;
    throw refuser(ConfigurationError, 'The sizes of bench growth')('two or more, ascending, such as 1000,10000', text);
  };
}

function topicsFrom(text: string): readonly string[] {
  const names = text.split(',');
  const unknown = names.find((name) => !NAMES.includes(name));
  if (unknown === undefined) return names;
  throw refuser(ConfigurationError, 'option --only')(
    `some of ${NAMES.join(', ')}`,
    unknown,
    suggestion(unknown, NAMES),
  );
}

interface Chosen {
  readonly topic: Topic;
  readonly operations: readonly Operation[];
}

/** @throws ConfigurationError where nothing has that name */
function chosen({ only = NAMES, operation }: GrowthFlags): Chosen[] {
  const topics = TOPICS.filter(({ name }) => only.includes(name));
  const found = topics
    .map((topic) => ({ topic, operations: topic.operations.filter(({ name }) => name === (operation ?? name)) }))
    .filter(({ operations }) => operations.length > 0);
  if (found.length > 0) return found;
  const names = [...new Set(topics.flatMap(({ operations }) => operations.map(({ name }) => name)))];
  throw refuser(ConfigurationError, 'option --operation')(`one of ${names.join(', ')}`, String(operation), suggestion(String(operation), names)); // prettier-ignore
}

async function growth(flags: GrowthFlags): Promise<void> {
  const { size, calls, margin, charts, json } = flags;
  const all = chosen(flags);
  if (size !== undefined) {
    const [{ operations }] = all as [Chosen];
    const cost = await (operations[0] as Operation).measure(size, calls);
    const isLead = (process.env['OMPI_COMM_WORLD_RANK'] ?? '0') === '0';
    process.stdout.write(isLead ? `${JSON.stringify(cost)}\n` : '');
    return;
  }
  const canLaunch = flags.only !== undefined || (await findProgram(['mpirun'])) !== undefined;
  const due = all.filter(({ topic }) => canLaunch || topic.launcher === undefined);
  if (due.length < all.length) process.stderr.write('ranks are left out: there is no mpirun\n');
  const sizesOf = ({ name, sizes }: Topic): readonly number[] => (flags[name] as readonly number[] | undefined) ?? sizes; // prettier-ignore
  const total = due.reduce((sum, { topic, operations }) => sum + operations.length * sizesOf(topic).length, 0);
  const progress = startProgress({ label: 'Measuring', total, unit: 'sizes', silent: json === true });
  let done = 0;
  const measured: TopicGrowth[] = [];
  for (const { topic, operations } of due) {
    const onSize = (): void => progress.update(++done);
    measured.push(await measureGrowth(topic, operations, sizesOf(topic), { calls, margin, onSize }));
  }
  progress.stop();
  if (charts !== undefined) {
    for (const own of measured.map(growthChart)) await writeFileAtomic(join(charts, `${own.name}.svg`), own.svg);
  }
  process.stdout.write(`${json === true ? JSON.stringify(measured) : measured.map(growthText).join('\n\n')}\n`);
  if (measured.some(({ operations }) => operations.some(({ tooSteep }) => tooSteep.length > 0))) throw new ExitRequest(EXIT.failed); // prettier-ignore
}

/** Adds `bench growth`. */
export function addGrowthCommand(program: Command): void {
  const command = program
    .command('growth')
    .description(
      'how time and memory grow with posts, classes, queue, tokens and ranks, each size in a process of its own; ' +
        'exit code 1 where the slope of log time or log memory over the upper half of the sizes is too steep',
    )
    .option('--only <names>', `some of ${NAMES.join(', ')}`, topicsFrom)
    .option('--operation <name>', 'only operations of this name');
  for (const { name, unit, sizes, smallest } of TOPICS) {
    command.option(`--${name} <sizes>`, `numbers of ${unit}, ascending`, sizesFrom(smallest), sizes);
  }
  withExamples(
    command
      .option(
        '--calls <count>',
        'calls of each size, of which the fastest counts; fewer where they take seconds',
        wholeNumber(2),
        5,
      ) // prettier-ignore
      .option('--margin <exponent>', 'how far a slope may lie above what must hold', finiteNumber(0), 0.3)
      .option('--charts <folder>', 'write a chart of each as SVG')
      .option(
        '--size <number>',
        'one size of one operation (--only, --operation), measured in this process',
        wholeNumber(1),
      ) // prettier-ignore
      .option('--json', 'print JSON; no progress'),
    [
      ['pnpm bench growth --charts docs/charts', 'all of them; up to half an hour'],
      ['pnpm bench growth --only posts,queue', 'two of them'],
      ['pnpm bench growth --only ranks --ranks 1,2', 'by mpirun, on this machine'],
      ['pnpm bench growth --only posts --operation plan --posts 1000,4000,16000', 'one operation at other sizes'],
      ['pnpm bench growth --only tokens --tokens 4,8 --calls 2', 'a smoke test'],
    ],
  ).action(growth);
}
