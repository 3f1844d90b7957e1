import { describe, expect, it } from 'vitest';
import type { Judgment, PostContent } from '@drf/judge';
import type { StreamFormat } from './flags.js';
import { streamPredictions, type StreamOptions } from './stream-predictions.js';

const source = { kind: 'run', folder: '/runs/a', checkpoint: 'step-1.safetensors', sha256: '0' } as const;
const judge: StreamOptions['judge'] = {
  info: { classes: ['good', 'bad'], imageSize: 4, engine: 'none', sources: [source] },
  judge: ({ text }: PostContent): Promise<Judgment> =>
    Promise.resolve({
      label: text === 'fine' ? 'good' : 'bad',
      probabilities: { good: 0.75, bad: 0.25 },
      quality: { image: null, text: 0.5 },
      logDensity: { image: null, text: -1 },
      intact: { image: null, text: 0.125 },
      pairWeights: null,
      recovered: 'image',
      unfamiliar: false,
    }),
};

async function* chunksOf(...texts: string[]): AsyncGenerator<Buffer> {
  for (const text of texts) yield await Promise.resolve(Buffer.from(text));
}

async function judged(format: StreamFormat, inputFormat: 'CSV' | 'JSON Lines', ...texts: string[]) {
  let written = '';
  const rejected: string[] = [];
  const counts = await streamPredictions({
    judge,
    input: 'standard input',
    stream: { format: inputFormat, chunks: chunksOf(...texts) },
    format,
    write: (text) => Promise.resolve(void (written += text)),
    onRejected: (row, detail) => void rejected.push(`${row}: ${detail}`),
  });
  return { counts, rejected, lines: written.trimEnd().split(/\r?\n/) };
}

describe('standard input to standard output', () => {
  it.each([1, 16])(
    'hands a post on before the next one comes, also by a judge of %i at once',
    async (preferredBatch) => {
      const written: string[] = [];
      let seenAtSecond = -1;
      async function* slowly(): AsyncGenerator<Buffer> {
        yield Buffer.from('{"id":"a","text":"fine"}\n');
        await new Promise((resolve) => setTimeout(resolve, 50));
        seenAtSecond = written.length;
        yield Buffer.from('{"id":"b","text":"poor"}\n');
      }
      await streamPredictions({
        judge: { ...judge, info: { ...judge.info, preferredBatch } },
        input: 'standard input',
        stream: { format: 'JSON Lines', chunks: slowly() },
        format: 'jsonl',
        write: (text) => Promise.resolve(void written.push(text)),
      });
      expect(seenAtSecond).toBe(1);
      expect(written.map((line) => (JSON.parse(line) as { id: string; label: string }).label)).toEqual(['good', 'bad']);
    },
  );

  it('says which line cannot be judged, and counts', async () => {
    const { counts, rejected, lines } = await judged(
      'jsonl',
      'JSON Lines',
      '{"text":"fine"}\n{}\nno JSON\n{"te',
      'xt":"x"}',
    );
    expect(lines.map((line) => (JSON.parse(line) as { row: number }).row)).toEqual([1, 4]);
    expect(rejected).toEqual([
      expect.stringMatching(/^2: standard input, line 2 expected text or an image/),
      expect.stringMatching(/^3: standard input, line 3 expected a JSON object/),
    ]);
    expect(counts).toMatchObject({ judged: 2, rejected: 2, labels: { good: 1, bad: 1 } });
  });

  it('writes CSV with the input’s columns, and no formula that a spreadsheet would run', async () => {
    const { lines } = await judged('csv', 'CSV', 'id;text\n1;fine\n2;=1+1\n');
    expect(lines[0]).toMatch(/^row,line,id,seen,input_id,text,label,/);
    expect(lines.slice(1).map((line) => line.split(',').slice(0, 7))).toEqual([
      ['1', '2', '1', '', '1', 'fine', 'good'],
      ['2', '3', '2', '', '2', "'=1+1", 'bad'],
    ]);
  });

  it('refuses in CSV a column that came late', async () => {
    await expect(judged('csv', 'JSON Lines', '{"text":"fine"}\n{"text":"x","place":"y"}\n')).rejects.toThrow(
      'Row 2 expected no other columns than the first row: text, received place; write JSON Lines (--format jsonl)',
    );
  });

  it('refuses a header without posts', async () => {
    await expect(judged('jsonl', 'CSV', 'a,b\n1,2\n')).rejects.toThrow('standard input');
  });
});
