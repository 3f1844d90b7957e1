// For knip: an export of a package's index that nothing in the workspace takes may stay where it is public interface, which
// means that the package's README (or a page of docs/) names it, or, of a type, that the package itself writes it in what it exports.
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';

const pages = readdirSync('docs').filter((name) => name.endsWith('.md')).map((name) => readFileSync(`docs/${name}`, 'utf8')); // prettier-ignore

const words = (text) => new Set(text.match(/[\w$]+/g));
const documented = words(pages.join('\n'));
const ofPackage = new Map();

function wordsOf(folder) {
  const known = ofPackage.get(folder);
  if (known !== undefined) return known;
  const files = readdirSync(join(folder, 'src'), { recursive: true })
    .filter((name) => name.endsWith('.ts') && !/\.(test|contract)\.ts$|index\.ts$/.test(name))
    .map((name) => readFileSync(join(folder, 'src', name), 'utf8'));
  const counts = new Map();
  for (const file of files)
    for (const word of file.match(/[\w$]+/g) ?? []) counts.set(word, (counts.get(word) ?? 0) + 1);
  const found = { readme: words(readFileSync(join(folder, 'README.md'), 'utf8')), counts };
  ofPackage.set(folder, found);
  return found;
}

function isInterface({ filePath, symbol, type }) {
  const folder = /^packages\/[^/]+/.exec(relative('.', filePath))?.[0];
  if (folder === undefined) return false;
  const { readme, counts } = wordsOf(folder);
  if (readme.has(symbol) || documented.has(symbol)) return true;
  return (
    type === 'types' && dirname(filePath).endsWith('/src') && filePath.endsWith('index.ts') && counts.get(symbol) > 1
  );
}

export default (data) => {
  for (const type of ['exports', 'types']) {
    for (const [file, issues] of Object.entries(data.issues[type])) {
      for (const [name, issue] of Object.entries(issues)) {
        if (!isInterface(issue)) continue;
        delete issues[name];
        data.counters[type]--;
      }
      if (Object.keys(issues).length === 0) delete data.issues[type][file];
    }
  }
  return data;
};
