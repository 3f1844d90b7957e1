import { describe, expect, it } from 'vitest';
import { assertFewValues } from './bodies.js';

const check = (json: string) => () => assertFewValues(Buffer.from(json));

describe('the values of a body', () => {
  it.each([
    ['nothing', ''],
    ['a large image', JSON.stringify({ image: 'A'.repeat(1_000_000) })],
    ['a text of brackets', JSON.stringify({ text: '[{,:}]'.repeat(100_000) })],
    ['a text of quotation marks and backslashes', JSON.stringify({ text: '"\\"\\\\'.repeat(100_000) })],
    ['batches of texts of quotation marks', JSON.stringify({ posts: Array(32).fill({ text: '"'.repeat(10_000) }) })],
    ['thousands of fields', JSON.stringify(Object.fromEntries(Array.from({ length: 40_000 }, (_, i) => [i, i])))],
    ['a string without end', `["${'\\"'.repeat(1000)}`],
    ['no JSON', 'no\u0000thing \\" ] "'],
  ])('may be %s', (_, json) => expect(check(json)).not.toThrow()); // prettier-ignore

  it.each([
    ['lists', '['.repeat(200_000)],
    ['objects', `{"posts":[${'{},'.repeat(4_000_000)}{}]}`],
    ['fields', JSON.stringify(Object.fromEntries(Array.from({ length: 900_000 }, (_, i) => [i, 1])))],
    ['empty strings', `[${'"",'.repeat(200_000)}""]`],
    ['quotation marks', JSON.stringify({ text: '"'.repeat(6_000_000) })],
    ['brackets after a text that ends in backslashes', `{"text":"\\\\","x":${'['.repeat(200_000)}`],
  ])('may not be that many %s', (_, json) => {
    const started = process.cpuUsage();
    expect(check(json)).toThrow(/^The body expected a post or a batch: at most 100000 brackets/);
    const { user, system } = process.cpuUsage(started);
    expect((user + system) / 1000).toBeLessThan(1000); // milliseconds of this thread; the parser takes thousands
  }); // prettier-ignore
});
