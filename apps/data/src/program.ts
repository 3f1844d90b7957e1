import { createProgram, type Command, spell } from '@drf/terminal';
import { addCorruptionsCommand } from './corruptions-command.js';
import { addDisruptCommand } from './disrupt-command.js';
import { addInspectCommand } from './inspect-command.js';
import { addSampleCommand } from './sample-command.js';
import { addShowCommand } from './show-command.js';
import { addSplitCommand } from './split-command.js';
import { addStreamCommand } from './stream-command.js';

/**
 * The data app: inspects data sets, makes splits, measures reading.
 * @param print takes what goes to standard output; progress and errors go to standard error
 */
export function createDataProgram(print: (text: string) => void = (text) => void process.stdout.write(text)): Command {
  const program = createProgram('data', 'Inspects image-text data sets, splits them, and measures how they are read.', [
    [spell('data inspect --dataset mvsa-single --root DIR'), 'ledger, classes, sizes, duplicates'],
    [spell('data split --dataset mvsa-single --root DIR --out splits'), 'seeded, stratified split files'],
    [spell('data show 17 --dataset mvsa-single --root DIR'), 'one post'],
    [spell('data disrupt --strategy random:0.6:typos@2 --out typos.jsonl'), 'a manifest of disruptions'],
    [spell('data corruptions --out corruptions.png'), 'one post under every corruption and severity'],
    [spell('data sample --out my-posts'), 'a CSV file with images, to try things out with'],
    [spell('data stream --generate 195265'), 'rate and peak memory while reading'],
  ]);
  for (const add of [
    addInspectCommand,
    addSplitCommand,
    addShowCommand,
    addDisruptCommand,
    addCorruptionsCommand,
    addStreamCommand,
    addSampleCommand,
  ]) {
    add(program, print);
  }
  return program;
}
