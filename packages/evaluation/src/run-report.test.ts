import { describe, expect, it } from 'vitest';
import { parseStrategy } from '@drf/disruption';
import type { ExplainingJudge } from '@drf/judge';
import { classificationReport } from '@drf/metrics';
import { paperLine, trainedModalities } from './paper.js';
import { changesOf, openingOf } from './opening.js';
import { chooseMistakes, explainedMistakes, showMistakes, type JudgedCell } from './report/shown-posts.js';
import { csvReport, htmlReport, textReport } from './run-report.js';
import { openTiny } from './testing/tiny-world.js';
import { syntheticCell, syntheticResult } from './testing/synthetic.js';

const paper = { accuracy: 0.765, weightedF1: 0.759 };
const result = syntheticResult(
  [
    syntheticCell('clean', 8, { paper }),
    syntheticCell('fixed:image:C', 7, { quality: { image: 0.875, text: null } }),
    syntheticCell('random:0.2:C+D', 8),
    syntheticCell('random:0.5:C+D', 6),
    syntheticCell('random:1:C+D', 5),
  ],
  {
    evaluation: { dataset: 'mvsa-single' },
    notes: ['2 posts are elsewhere'],
    unreadable: [{ id: '7', message: 'post 7 <broken>' }],
  },
);
/** Cells of the table row that begins with a name. */
const rowOf = (text: string, name: string): string[] =>
  (text.split('\n').find((line) => line.startsWith(`│ ${name} `)) ?? '')
    .split('│')
    .slice(1, -1)
    .map((cell) => cell.trim());

describe('textReport', () => {
  const text = textReport(result);

  it('says what was evaluated', () => {
    expect(text).toContain('Run:        runs/one, checkpoint step-3.safetensors (step 3, epoch 1)');
    expect(text).toContain('Method:     drf, seed 0, trained on intact posts');
    const departing = syntheticResult(result.cells, {
      run: { method: 'drf-paper', departures: ['weighting relative'] },
    });
    expect(textReport(departing)).toContain('Method:     drf-paper, not to the letter (weighting relative), seed 0');
    expect(text).toContain('Data:       mvsa-single, split test, 10 posts, classes bad, good');
    expect(text).toContain('Engine:     eager:cpu; encoders an-image-encoder, a-text-encoder');
    expect(text).toContain('Note:       2 posts are elsewhere');
    expect(text).toContain('Left out:   1 posts that could not be read\n            post 7 <broken>');
  });

  it('puts scores, interval and the paper side by side', () => {
    // Wilson interval of 8 of 10; F1 of [[4, 1], [1, 4]] is 0.8 for both classes
    expect(rowOf(text, 'clean')).toEqual(['clean', '10', '80.0', '49.0–94.3', '80.0', '80.0', '–', '76.5', '75.9']);
    expect(rowOf(text, 'fixed:image:C').slice(-2)).toEqual(['–', '–']);
    expect(text).toContain('with ViT-B/16 and BERT-base fine-tuned; here encoders are frozen.');
    const trained = syntheticResult(result.cells, { run: { trainedEncoders: ['text', 'image'] } });
    expect(textReport(trained)).toContain('fine-tuned; here both encoders are fine-tuned, too.');
    expect(paperLine([['text'], ['text']])).toMatch(
      /here the text encoder is fine-tuned and the image encoder frozen\.$/,
    );
    expect(trainedModalities({ encoders: {} })).toEqual([]); // as stored before they could be fine-tuned
    expect(paperLine([[], ['text']])).toMatch(/frozen in some runs and fine-tuned in others\.$/);
    expect(text).toContain('Always answering the most frequent class: accuracy 50.0.');
  });

  it('shows the curve, its area, and what is lost beside the paper', () => {
    expect(rowOf(text, '  0').slice(1)).toEqual(['80.0', '80.0']);
    expect(rowOf(text, '0.5').slice(1, 2)).toEqual(['60.0']);
    // area: 0.2 · 0.8 + 0.3 · 0.7 + 0.5 · 0.55, loss: 0.8 − 0.5
    expect(rowOf(text, 'C+D')).toEqual(['C+D', '64.5', '30.00', '4.48', '6.72–9.53']);
  });

  it('shows AUROCs and the classes of the clean cell; of all cells on demand', () => {
    expect(text).toMatch(/fixed:image:C │ 0\.875 │ –/);
    expect(rowOf(text, 'bad')).toEqual(['bad', '80.0', '80.0', '80.0', '5', '5']);
    expect(text).toContain('Confusion matrix, intact posts: posts of each class');
    expect(text).not.toContain('Confusion matrix, image corrupted (fixed:image:C)');
    expect(textReport(result, true)).toContain('Confusion matrix, image corrupted (fixed:image:C)');
  });

  it('begins with what the figures say, broken into lines', () => {
    const lines = textReport(result, false, openingOf(result, cellsOf([8, 7]), null)).split('\n');
    expect(lines[0]).toBe(
      'The model is right on 8 of 10 test posts, 80 %; the true value lies between 49 and 94 % with 95 %',
    );
    expect(Math.max(...lines.slice(0, 8).map(({ length }) => length))).toBeLessThanOrEqual(100);
  });

  it('leaves out what there is nothing to say of', () => {
    const bare = textReport(syntheticResult([syntheticCell('clean', 5)]));
    expect(bare).not.toContain('paper');
    expect(bare).not.toContain('Robustness');
    expect(bare).not.toContain('AUROC');
  });

  it('says which cells an interruption left out', () => {
    const partial = syntheticResult([syntheticCell('clean', 5)], { missingCells: ['fixed:image:C'] });
    expect(textReport(partial)).toContain('Interrupted: cells left out: fixed:image:C');
  });
});

describe('htmlReport', () => {
  const html = htmlReport(result).replaceAll('\u00a0', ' ');

  it('holds tables and curve in one file, with text escaped', () => {
    expect(html).toContain('<title>Evaluation of one on mvsa-single, test</title>');
    expect(html).toContain('corrupted or missing: from 80.0 at 0 to 50.0 at 100');
    expect(html).toContain('Confusion matrix, 100 % of posts: image or text corrupted or missing (random:1:C+D)');
    expect(html).toContain('image corrupted <small class="code">fixed:image:C</small>');
    expect(html).toContain('<dt>C+D</dt>'); // in a legend
    expect(html).toContain('post 7 &lt;broken&gt;');
    expect(html).not.toMatch(/<script|src=|href="(?!data:|#)|url\((?!#)/);
  });

  it('begins with words, shows mistakes, and links to other reports', () => {
    const image = 'data:image/webp;base64,AAAA';
    const post = { id: '<7>', cell: 'clean', truth: 'bad', predicted: 'good', confidence: 0.94, text: 'so <sad>', image, disruption: 'intact', rows: [['quality of the image', '12 %']], showing: 'sure' } as const; // prettier-ignore
    const disrupted = { ...post, id: '8', cell: 'fixed:image:D', image: null, disruption: 'image missing', showing: 'broken' } as const; // prettier-ignore
    const page = htmlReport(result, {
      opening: openingOf(result, cellsOf([8, 7]), null),
      shown: [post, disrupted],
      links: [{ words: 'How it was trained', href: '../../report.html' }],
    }).replaceAll('\u00a0', ' ');
    expect(page).toContain('<p>The model is right on 8 of 10 test posts, 80 %; the true value lies between 49 and 94 % with 95 % confidence.'); // prettier-ignore
    expect(page).toContain('No disruption changes its accuracy by more than chance explains on so few posts: image corrupted (−10 points).'); // prettier-ignore
    expect(page).toContain('<li>1 post of split test could not be read and is in no score.</li>');
    expect(page).toContain('<li>2 posts are elsewhere</li>');
    expect(page).toContain('<a href="../../report.html">How it was trained</a>');
    expect(page).toMatch(
      /Intact posts that are wrong with the most confidence[^]*&lt;7&gt;[^]*so &lt;sad&gt;[^]*good<\/strong> \(94 %\); in truth <strong>bad/,
    );
    expect(page).toMatch(/Right until they were disrupted[^]*8 <span class="quiet">image missing<\/span>[^]*no image/);
    expect(page).not.toContain('Other confusions');
  });
});

/** Cells of ten posts: the clean one, and one with corrupted images; the first so many are right. */
function cellsOf(right: readonly number[]): JudgedCell[] {
  return right.map((count, i): JudgedCell => {
    const labels = Int32Array.from({ length: 10 }, (_, post) => post % 2);
    const row = (post: number): number[] => {
      const sure = 0.6 + post / 100;
      return post < count === (post % 2 === 0) ? [sure, 1 - sure] : [1 - sure, sure];
    };
    return {
      testedOn: parseStrategy(i === 0 ? 'none' : 'fixed:image:C'),
      ids: Array.from(labels, (_, post) => `post ${post}`),
      labels,
      probabilities: Float32Array.from(Array.from(labels, (_, post) => row(post)).flat()),
      entries: [],
      available: { image: new Float32Array(10).fill(1), text: new Float32Array(10).fill(1) },
      quality: null,
    };
  });
}

it('says nothing of what disruptions cost where only others were evaluated than it sums up', () => {
  const [intact, other] = cellsOf([8, 5]) as [JudgedCell, JudgedCell];
  const cells = [intact, { ...other, testedOn: parseStrategy('fixed:text:typos@3') }];
  const [, costs] = openingOf(result, cells, null).paragraphs;
  expect(costs).toEqual([]);
});

describe('changesOf', () => {
  it('counts posts that a disruption turns wrong, and right', () => {
    expect(changesOf(cellsOf([8, 5]))).toEqual([{ what: 'image corrupted', lost: 3, gained: 0 }]);
    expect(changesOf(cellsOf([8, 9]))).toEqual([{ what: 'image corrupted', lost: 0, gained: 1 }]);
    expect(changesOf(cellsOf([8]))).toEqual([]);
    expect(changesOf([])).toEqual([]);
  });
});

describe('chooseMistakes', () => {
  const shown = (right: readonly number[], count: number) =>
    chooseMistakes(cellsOf(right), count).map(({ showing, cell, position }) => `${showing} ${cell} ${position}`);

  it('takes the surest mistakes, a quarter of other kinds, and what only a disruption spoils; each post once', () => {
    // wrong when intact: 6 to 9, the later the surer; 4 and 5 only when disrupted
    expect(shown([6, 4], 8)).toEqual(['sure 0 9', 'sure 0 8', 'sure 0 7', 'sure 0 6', 'broken 1 5', 'broken 1 4']);
    expect(shown([6, 4], 4)).toEqual(['sure 0 9', 'sure 0 8', 'confused 0 7', 'broken 1 5']);
    expect(shown([6, 4], 1)).toEqual(['sure 0 9']);
    expect(shown([6, 4], 0)).toEqual([]);
    expect(shown([10, 10], 8)).toEqual([]);
  });
});

describe('explained mistakes', () => {
  const classes = ['bad', 'good'];
  const job = () => ({ update: () => undefined, stop: () => undefined });

  /** Half a probability for the first word of the first text. */
  function judgeOf(asked: string[]): ExplainingJudge {
    const none = { image: null, text: null };
    return {
      info: { maskToken: null },
      judge: async ({ text }) => {
        asked.push(text ?? '');
        const first = /\S+/.exec(asked[0] ?? '')?.[0] ?? '';
        const good = text?.includes(first) === true ? 0.75 : 0.25;
        return { label: 'good', probabilities: { good, bad: 1 - good }, quality: none, logDensity: none, intact: none, pairWeights: null, recovered: null, unfamiliar: null }; // prettier-ignore
      },
    };
  }

  /** The clean cell, and one of corrupted images, of the first posts that have both modalities. */
  async function shownOf(count: number, signal?: AbortSignal, asked: string[] = []) {
    const dataset = await openTiny();
    const whole = dataset.records.filter(({ image, text }) => image !== null && text !== null).slice(0, 10);
    const cells = cellsOf([6, 4]).map((cell) => ({ ...cell, ids: whole.map(({ id }) => id) }));
    const mistakes = chooseMistakes(cells, 8);
    const explaining = { mistakes: explainedMistakes(mistakes, count), judge: judgeOf(asked), job };
    const options = { cells, classes, dataset, records: whole, mask: '[MASK]', calibration: null, signal, explaining };
    return showMistakes(mistakes, options);
  }

  it('are the surest of the intact posts, in the order in which they are shown', () => {
    const mistakes = chooseMistakes(cellsOf([6, 4]), 8);
    const positions = (count: number): number[] => explainedMistakes(mistakes, count).map(({ position }) => position);
    expect(positions(2)).toEqual([9, 8]);
    expect(positions(100)).toEqual([9, 8, 7, 6]); // not those that only a disruption spoils
    expect([positions(0), positions(-1)]).toEqual([[], []]);
  });

  it('show words and regions by what they did to the wrong label, with a legend', async () => {
    const shown = await shownOf(1);
    expect(shown.map(({ explanation }) => explanation?.label)).toEqual([shown[0]?.predicted, ...shown.slice(1).map(() => undefined)]); // prettier-ignore
    expect(shown[0]?.explanation?.regions).toHaveLength(49);
    const html = htmlReport(result, { shown });
    const sign = shown[0]?.predicted === 'good' ? ['for', '\\+'] : ['against', '−'];
    expect(html).toMatch(new RegExp(`<p class="marked"><span class="part ${sign[0]}" style="--strength:1.00">[^<]+<sup>${sign[1]}50.0</sup>`)); // prettier-ignore
    expect(html.match(/<svg class="map"/g)).toHaveLength(1);
    expect(html.match(/aria-label="Legend"/g)).toHaveLength(1);
    expect(htmlReport(result, { shown: shown.slice(1) })).not.toContain('aria-label="Legend"');
  });

  it('keep what is shown when they are stopped', async () => {
    const stop = new AbortController();
    const asked: string[] = [];
    asked.push = (text) => (asked.length === 3 && stop.abort(), Array.prototype.push.call(asked, text));
    const shown = await shownOf(2, stop.signal, asked);
    expect(asked).toHaveLength(4);
    expect(shown).toHaveLength(1);
    expect(shown[0]?.explanation).toBeUndefined();
  });
});

describe('csvReport', () => {
  const [head, ...rows] = csvReport([result, result])
    .trimEnd()
    .split('\r\n')
    .map((line) => line.split(','));
  const value = (row: number, column: string): string | undefined => rows[row]?.[head?.indexOf(column) ?? -1];

  it('has a row a cell with every figure', () => {
    expect(rows).toHaveLength(10);
    expect(value(0, 'cell')).toBe('clean');
    expect(value(0, 'accuracy')).toBe('0.8');
    expect(value(0, 'paperAccuracy')).toBe('0.765');
    expect(value(0, 'bad.recall')).toBe('0.8');
    expect(value(0, 'bad→good')).toBe('1');
    expect(value(1, 'imageQualityAuroc')).toBe('0.875');
    expect(value(1, 'paperAccuracy')).toBe('');
    expect(value(2, 'ratio')).toBe('0.2');
  });
});

describe('reports of many classes', () => {
  const classes = Array.from({ length: 200 }, (_, i) => `class ${i}`);
  const labels = Array.from({ length: 1000 }, (_, i) => i % 150); // 50 classes have no posts
  const answers = labels.map((label, i) => (label < 3 ? 199 : i % 4 === 0 ? (label + 1) % 200 : label));
  const report = classificationReport(labels, answers, classes);
  const many = syntheticResult([syntheticCell('clean', 8, { report })], { evaluation: { classes } });

  it('name the worst classes and the most frequent mistakes, and stay short', () => {
    const text = textReport(many);
    expect(text).toContain('200 classes (class 0, class 1, class 2, class 3, class 4, …)');
    expect(text).toContain('Classes, intact posts, the 20 worst of 150 with posts by F1 (results.json has all)');
    expect(rowOf(text, 'class 0').slice(1)).toEqual(['0.0', '0.0', '0.0', '7', '0']);
    expect(text).toMatch(/Confusion, intact posts: the 20 most frequent of \d+ kinds of mistakes/);
    expect(text).toMatch(/│ class 0 +│ class 199 +│ +7 │ +100\.0 │/);
    expect(text.split('\n').length).toBeLessThan(80);
    expect(Math.max(...text.split('\n').map((line) => line.length))).toBeLessThan(180);
    expect(htmlReport(many).length).toBeLessThan(40_000);
    expect((csvReport([many]).split('\r\n')[0] as string).split(',').length).toBeLessThan(900);
  });
});
