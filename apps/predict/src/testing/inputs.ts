import { writeFile, mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import sharp from 'sharp';
import type { Judgment, PostContent } from '@drf/judge';
import type { OtherProcesses, PredictOptions } from '../predict-posts.js';

/** A model's word on a text, by its length alone. */
export function verdict({ text, image }: PostContent): Judgment {
  const length = (text ?? '').length;
  const positive = 1 / (1 + length);
  return {
    label: positive > 0.1 ? 'positive' : 'negative',
    probabilities: { positive, negative: 1 - positive },
    quality: { image: image === null ? null : (image.data[0] as number) / 255, text: text === null ? null : 0.25 },
    logDensity: { image: null, text: text === null ? null : -1 },
    intact: { image: image === null ? null : 0.875, text: text === null ? null : 1 / (1 + length) },
    pairWeights: null,
    recovered: text === null ? 'text' : null,
    unfamiliar: text === null ? null : length > 15,
  };
}

export const SOURCE = { kind: 'run', folder: '/runs/a', checkpoint: 'step-1.safetensors', sha256: '0' } as const;

/** Stands for a trained run. */
export const JUDGE: PredictOptions['judge'] = {
  info: { classes: ['positive', 'negative'], imageSize: 4, engine: 'none', sources: [SOURCE] },
  judge: (post: PostContent) => Promise.resolve(verdict(post)),
};

/** Nobody: a job is planned, and nothing of it done. */
export const NOBODY: OtherProcesses = {
  model: { runs: [SOURCE.folder], checkpoint: null, engine: 'none' },
  resources: { cores: 1, gpus: 0, memoryBytes: 0 },
  runner: { name: 'nobody', onlyPlans: true, run: () => Promise.resolve([]) },
  program: new URL('node:none'),
  from: 0,
};

/** Inputs of each kind, with rows that cannot be judged. @returns their paths */
export async function writeInputs(folder: string): Promise<readonly string[]> {
  const image = (red: number): Promise<Buffer> =>
    sharp({ create: { width: 6, height: 6, channels: 3, background: { r: red, g: 0, b: 0 } } })
      .png()
      .toBuffer();
  await mkdir(join(folder, 'posts/more'), { recursive: true });
  for (const [index, name] of ['1', '2', 'more/10', 'more/9'].entries()) {
    await writeFile(join(folder, `posts/${name}.png`), await image(60 * index));
    if (index !== 1) await writeFile(join(folder, `posts/${name}.txt`), 'a day '.repeat(index + 1));
  }
  await writeFile(join(folder, 'posts/list.pdf'), '%PDF-1.4');
  const jsonLines = Array.from({ length: 300 }, (_, i) => {
    if (i === 7) return '{"id":"seven"}'; // neither text nor image
    if (i === 150) return 'not JSON';
    const image = i % 50 === 3 ? { image: `posts/${i % 100 === 3 ? 1 : 2}.png` } : {};
    const late = i > 200 ? { late: { deep: [i] }, label: 'own' } : {};
    return JSON.stringify({ id: `post ${i}`, text: '=x'.repeat(1 + (i % 20)), ...image, ...late });
  });
  await writeFile(join(folder, 'lines.jsonl'), `${jsonLines.join('\n')}\n`);
  const csv = Array.from({ length: 250 }, (_, i) => {
    if (i === 9) return `${i},,`;
    if (i === 100) return `${i},"two\nlines, and ""quotes""",0${i}`;
    return `${i},${'é'.repeat(1 + (i % 20))},00${i}`;
  });
  await writeFile(join(folder, 'table.csv'), `id,text,nr\r\n${csv.join('\r\n')}\r\n`);
  return ['lines.jsonl', 'table.csv', 'posts'].map((name) => join(folder, name));
}
