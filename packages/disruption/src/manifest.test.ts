import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { CheckpointError, DataError, type Post } from '@drf/tensor';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { applyDisruption } from './apply.js';
import { formatManifest, parseManifest } from './manifest.js';
import { readManifest, writeManifest } from './manifest-file.js';
import { fixedStrategies, parseStrategy, randomStrategies, strategyFileName } from './strategy.js';
import { planDisruptions, presenceOf } from './plan.js';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'manifest-'));
});
afterAll(() => rm(folder, { recursive: true }));

const ids = ['1', 'späte Grüße', '😀', '\ud83d', 'line\nbreak', 'quote"', 'نص'];
const posts: Post[] = ids.map((id, i) => ({
  id,
  image: { width: 9, height: 7, data: Uint8Array.from({ length: 189 }, (_, byte) => 1 + ((byte * (i + 3)) % 255)) },
  text: `word ${id} 👍🏽  more\twords here`,
  label: i % 3,
}));
const strategy = parseStrategy('random:1:C+D');
const header = { seed: 7, strategy, imageSize: { width: 9, height: 7 }, mask: '[MASK]', source: 'a test' };
const entries = planDisruptions(posts.map(presenceOf), strategy, 7);

/** A good manifest with one line changed. */
async function damaged(name: string, change: (lines: string[]) => void): Promise<string> {
  const path = join(folder, name);
  await writeManifest(path, header, entries);
  const lines = (await readFile(path, 'utf8')).split('\n');
  change(lines);
  await writeFile(path, lines.join('\n'));
  return path;
}

function edit(line: number, fields: Record<string, unknown>): (lines: string[]) => void {
  return (lines) => {
    lines[line - 1] = JSON.stringify({ ...(JSON.parse(lines[line - 1] as string) as object), ...fields });
  };
}

describe('manifest', () => {
  it('reads back what was written', async () => {
    const path = join(folder, 'deep', 'manifest.jsonl');
    await writeManifest(path, header, entries);
    const manifest = await readManifest(path);
    expect(manifest.header).toEqual(header);
    expect(manifest.entries).toEqual(entries);
    expect([...manifest.byId.keys()]).toEqual(ids);
  });

  it('gives the same bytes when applied after reading, for every strategy', async () => {
    for (const each of [...fixedStrategies(), ...randomStrategies()]) {
      const planned = planDisruptions(posts.map(presenceOf), each, 'seed');
      const path = join(folder, `${strategyFileName(each)}.jsonl`);
      await writeManifest(path, { seed: 'seed', strategy: each, imageSize: null }, planned);
      const { byId } = await readManifest(path);
      expect(byId.size).toBe(planned.length);
      for (const post of posts) {
        const entry = planned.find((candidate) => candidate.id === post.id);
        expect(applyDisruption(post, byId.get(post.id))).toEqual(applyDisruption(post, entry));
      }
    }
  });

  it('keeps corruptions with severities and missing rates, in version 2, and checks them both ways', async () => {
    const texts = ['fixed:image:jpeg@3', 'random:0.6:typos', 'fixed:text:homoglyphs', 'missing:image=0.5:text=0.3'];
    for (const text of texts) {
      const own = parseStrategy(text);
      const planned = planDisruptions(posts.map(presenceOf), own, 'seed');
      expect(planned.length).toBeGreaterThan(2);
      const path = join(folder, `${strategyFileName(own)}.jsonl`);
      await writeManifest(path, { seed: 'seed', strategy: own, imageSize: null }, planned);
      expect(await readFile(path, 'utf8')).toContain('"version":2');
      const { byId } = await readManifest(path);
      for (const post of posts) {
        const entry = planned.find((candidate) => candidate.id === post.id);
        expect(applyDisruption(post, byId.get(post.id))).toEqual(applyDisruption(post, entry));
      }
      const wrong = { seed: 'seed', strategy: parseStrategy('fixed:image:jpeg@4'), imageSize: null };
      await expect(writeManifest(join(folder, 'wrong.jsonl'), wrong, planned)).rejects.toThrow(
        'a disruption of the strategy fixed:image:jpeg@4',
      );
    }
    const severe = planDisruptions(posts.map(presenceOf), parseStrategy('fixed:image:jpeg@3'), 1);
    const own = { seed: 1, strategy: parseStrategy('fixed:image:jpeg'), imageSize: null };
    const changed = async (fields: object, message: string): Promise<void> => {
      const path = join(folder, 'changed.jsonl');
      const rows = severe.map((entry, i) => (i === 0 ? { ...entry, ...fields } : entry));
      await expect(writeManifest(path, own, rows)).rejects.toThrow(message);
    };
    await changed({ severity: 6 }, 'expected a severity from 1 to 5, received 6');
    await changed({ corruption: 'rain' }, 'expected the name of a corruption, received "rain"');
    await changed({ corruption: 'typos' }, 'expected text, received "image"');
    await changed({ fraction: 0.5 }, 'expected no fraction, as no share is drawn, received 0.5');
    await changed({ seed: 'ab' }, 'expected a seed of 16 hexadecimal digits');
    await changed({ operation: 'discard', seed: null }, 'expected nothing that corrupts, as the modality is discarded');
    const bare = { corruption: undefined, severity: undefined, seed: null };
    await changed({ operation: 'discard', ...bare }, 'expected a disruption of the strategy fixed:image:jpeg');
    await changed({ own: 5 }, 'expected the id of a disruption of its own, received 5');
    await changed({ own: 'blur@000000000000' }, 'expected no corruption beside a disruption of its own');
    const path = join(folder, 'rules.jsonl');
    await writeManifest(path, own, severe);
    const [first = ''] = (await readFile(path, 'utf8')).split('\n');
    const { corruption } = JSON.parse(first) as { corruption: { name: string; levels: number[]; rule: string } };
    expect(corruption).toMatchObject({ name: 'jpeg', levels: [25, 18, 15, 10, 7] });
    expect(corruption.rule).toContain('libjpeg 6b');
  });

  it.each(['fixed:image:C', 'random:1:D', 'missing:image=0.5'])(
    'takes no disruption of the user’s own among those of %s',
    (text) => {
      const [strategy, own] = [parseStrategy(text), 'blur@000000000000:radius=3'];
      const rows = planDisruptions(posts.map(presenceOf), strategy, 1).map((entry) => ({ ...entry, own }));
      const format = () => formatManifest('m', { seed: 1, strategy, imageSize: null }, rows);
      expect(format).toThrow(DataError);
    },
  );

  it('refuses a header whose version or levels say something else than its strategy', () => {
    const strategy = parseStrategy('fixed:text:typos@3');
    const text = formatManifest('m', { seed: 1, strategy, imageSize: null }, []);
    expect(() => parseManifest('m', text.replace('"version":2', '"version":1'))).toThrow(
      'line 1 expected version 2, which knows the strategy fixed:text:typos@3, received 1',
    );
    for (const changed of [
      text.replace(/"levels":\[[^\]]*\]/, '"levels":[1,1,1,1,1]'),
      text.replace('"name":"typos"', '"name":"ocr_noise"'),
    ]) {
      expect(() => parseManifest('m', changed)).toThrow('line 1 expected the corruption that this version knows');
    }
  });

  it('says in its header how pixels and words are chosen, for readers without this code', async () => {
    const path = join(folder, 'header.jsonl');
    await writeManifest(path, header, entries);
    const first = JSON.parse((await readFile(path, 'utf8')).split('\n')[0] as string) as Record<string, unknown>;
    expect(first).toMatchObject({
      format: 'drf-disruption-manifest',
      version: 1,
      seed: 7,
      strategy: 'random:1:C+D',
      imageSize: { width: 9, height: 7 },
      mask: '[MASK]',
      source: 'a test',
      entries: 7,
      fractions: 'drawn uniformly from [0.4, 0.8)',
    });
    expect(first['pixels']).toMatch(/SplitMix64/);
    expect(first['words']).toMatch(/white space/);
  });

  it('holds an empty plan', async () => {
    const path = join(folder, 'empty.jsonl');
    await writeManifest(path, { seed: 1, strategy: { kind: 'none' }, imageSize: null }, []);
    expect((await readManifest(path)).entries).toEqual([]);
  });

  const corruptLine = 2 + entries.findIndex((entry) => entry.operation === 'corrupt');
  const discardLine = 2 + entries.findIndex((entry) => entry.operation === 'discard');
  it.each([
    ['no JSON', 3, (lines: string[]) => void (lines[2] = '{"id":'), 'expected a JSON object'],
    ['a blank line', 3, (lines: string[]) => void (lines[2] = ''), 'expected a JSON object'],
    ['an array', 3, (lines: string[]) => void (lines[2] = '[]'), 'expected a post id, received nothing'],
    ['a number as id', 3, edit(3, { id: 5 }), 'expected a post id, received 5'],
    ['another modality', 4, edit(4, { modality: 'sound' }), 'a modality of image, text, received "sound"'],
    ['another operation', 4, edit(4, { operation: 'blur' }), 'an operation of corrupt, discard, received "blur"'],
    ['no fraction', corruptLine, edit(corruptLine, { fraction: null }), 'a fraction from 0.4 to 0.8, received null'],
    ['a fraction too large', corruptLine, edit(corruptLine, { fraction: 0.9 }), 'from 0.4 to 0.8, received 0.9'],
    ['a short seed', corruptLine, edit(corruptLine, { seed: 'ab' }), 'a seed of 16 hexadecimal digits, received "ab"'],
    ['a fraction of a discard', discardLine, edit(discardLine, { fraction: 0.5 }), 'expected fraction and seed null'],
    ['a post twice', 4, edit(4, { id: '1' }), 'expected each post once, received "1" again, after line 2'],
  ])('names the line of a bad row: %s', async (name, line, change, message) => {
    const path = await damaged(`${name}.jsonl`, change);
    await expect(readManifest(path)).rejects.toThrow(DataError);
    await expect(readManifest(path)).rejects.toThrow(`Manifest ${path}, line ${line} expected`);
    await expect(readManifest(path)).rejects.toThrow(message);
  });

  it.each([
    ['fixed:image:C+D', 'expected a disruption of the strategy fixed:image:C+D'],
    ['random:1:C', 'expected a disruption of the strategy random:1:C'],
    ['none', 'expected a disruption of the strategy none'],
  ])('refuses rows that the strategy %s cannot have made', async (text, message) => {
    const path = await damaged('strategy.jsonl', edit(1, { strategy: text }));
    await expect(readManifest(path)).rejects.toThrow(message);
  });

  it.each([
    ['foreign', { format: 'other' }, 'line 1 expected the format "drf-disruption-manifest", received "other"'],
    ['newer', { version: 3 }, 'line 1 expected version 1 or 2, received 3'],
    ['seedless', { seed: null }, 'line 1 expected a seed, received null'],
    ['sizeless', { imageSize: { width: 0, height: 4 } }, 'expected imageSize null or { width, height }'],
    ['maskless', { mask: 4 }, 'expected a mask, received 4'],
    ['uncounted', { entries: 'many' }, 'expected the number of entries, received "many"'],
    ['cut short', { entries: 8 }, 'expected 8 entries, as its header says, received 7'],
  ])('refuses a file that is %s', async (name, fields, message) => {
    const path = await damaged(`${name}.jsonl`, edit(1, fields));
    await expect(readManifest(path)).rejects.toThrow(CheckpointError);
    await expect(readManifest(path)).rejects.toThrow(message);
  });

  it('notices a file cut at the end of a line, and an empty one', async () => {
    const path = await damaged('cut.jsonl', (lines) => void lines.splice(-3, 2));
    await expect(readManifest(path)).rejects.toThrow('expected 7 entries, as its header says, received 5');
    await writeFile(path, '');
    await expect(readManifest(path)).rejects.toThrow('line 1 expected a JSON object');
    await expect(readManifest(join(folder, 'absent.jsonl'))).rejects.toThrow('expected a readable file');
  });

  it('refuses to write what it could not read', async () => {
    const path = join(folder, 'refused.jsonl');
    await expect(writeManifest(path, header, [entries[0]!, entries[0]!])).rejects.toThrow('expected each post once');
    const wrong = { ...header, strategy: parseStrategy('fixed:image:D') };
    await expect(writeManifest(path, wrong, entries)).rejects.toThrow('a disruption of the strategy fixed:image:D');
    await expect(readFile(path)).rejects.toThrow('ENOENT');
  });
});
