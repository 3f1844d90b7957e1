// Compares every cell of two result stores post by post, to the bit: ids, labels, answers, probabilities, densities and
// weights as the stores have them, and what was done to the posts. Stores of earlier versions are read as well. Needs a
// build; the exit code is 1 where anything differs.
//
//   node scripts/compare-stores.mjs runs/grid-before runs/grid-after
import { parseArgs } from 'node:util';
import { formatCell, ResultStore } from '../packages/evaluation/dist/index.js';

const { positionals } = parseArgs({ allowPositionals: true });
const [first, second] = positionals;
if (first === undefined || second === undefined || positionals.length > 2) {
  process.stderr.write('usage: node scripts/compare-stores.mjs STORE STORE\n');
  process.exit(2);
}

/** What a store says of each cell, by the cell's name. */
function contentOf(path) {
  const store = new ResultStore(path, 'read');
  const content = new Map(
    store.cells.map((cell) => {
      const { experiment, split, method, without, accuracy, weightedF1, imageAuroc, textAuroc } = cell;
      const { ids, labels, classes } = store.posts(cell);
      const name = [experiment, split, method, without, formatCell(cell)].filter(Boolean).join(', ');
      const figures = [accuracy, weightedF1, imageAuroc, textAuroc];
      const posts = [ids, [...labels], classes, store.predictions(cell), store.disruptions(cell), store.mask(cell)];
      return [name, { posts: ids.length, text: JSON.stringify([figures, posts]) }];
    }),
  );
  const { waiting } = store;
  store.close();
  return { content, waiting };
}

const [one, other] = [first, second].map(contentOf);
const both = [...one.content].filter(([name]) => other.content.has(name));
const different = both.filter(([name, { text }]) => other.content.get(name).text !== text);
const onlyOne = [...one.content.keys()].filter((name) => !other.content.has(name));
const onlyOther = [...other.content.keys()].filter((name) => !one.content.has(name));
const posts = both.reduce((sum, [, own]) => sum + own.posts, 0);

const SHOWN = 20;
const list = (heading, names) => {
  if (names.length === 0) return;
  const more = names.length > SHOWN ? [`… and ${names.length - SHOWN} more`] : [];
  process.stdout.write(`${heading}\n${[...names.slice(0, SHOWN), ...more].map((name) => `  ${name}\n`).join('')}`);
};
process.stdout.write(`${both.length - different.length} of ${both.length} cells equal, ${posts} posts\n`);
list('Different:', different.map(([name]) => name)); // prettier-ignore
list(`Only in ${first}:`, onlyOne);
list(`Only in ${second}:`, onlyOther);
if (one.waiting + other.waiting > 0) {
  process.stdout.write(`Left out, as folds are missing: ${one.waiting} and ${other.waiting} cells\n`);
}
process.exitCode = different.length + onlyOne.length + onlyOther.length > 0 || both.length === 0 ? 1 : 0;
