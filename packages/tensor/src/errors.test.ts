import { describe, expect, it } from 'vitest';
import type * as errors from './errors.js';
import {
  CheckpointError,
  ConfigurationError,
  DataError,
  DrfError,
  isDrfError,
  NonFiniteError,
  refuser,
  ShapeMismatchError,
  UnavailableError,
} from './index.js';

const CLASSES = {
  CheckpointError,
  ConfigurationError,
  DataError,
  NonFiniteError,
  ShapeMismatchError,
  UnavailableError,
};

describe('errors', () => {
  it.each(Object.entries(CLASSES))('%s names itself, and says the whole report', (name, ErrorClass) => {
    const report = { subject: 'posts.csv, line 7', expected: 'a label', received: '"hapy"', remedy: 'correct the row' };
    const error = new ErrorClass(report);
    expect(error).toBeInstanceOf(DrfError);
    expect(error).toBeInstanceOf(Error);
    expect(error.name).toBe(name);
    expect(String(error)).toBe(`${name}: posts.csv, line 7 expected a label, received "hapy"; correct the row`);
    expect(error.report).toBe(report);
    expect(error.stack).toContain('errors.test.ts');
  });

  it('leave the remedy out where there is none', () => {
    expect(new DataError({ subject: 'A', expected: 'b', received: 'c' }).message).toBe('A expected b, received c');
  });

  it('are told apart by class', () => {
    const error = new CheckpointError({ subject: 'A', expected: 'b', received: 'c' });
    expect(error).not.toBeInstanceOf(DataError);
    expect(error).not.toBeInstanceOf(ShapeMismatchError);
  });

  it('have a code for programs: of their class, unless the report gives its own', () => {
    const report = { subject: 'A', expected: 'b', received: 'c' };
    const codes = Object.values(CLASSES).map((ErrorClass) => new ErrorClass(report).code);
    expect(codes).toEqual(['checkpoint', 'configuration', 'data', 'not-finite', 'shape-mismatch', 'unavailable']);
    expect(new DataError({ ...report, code: 'too-large' }).code).toBe('too-large');
  });

  it('are asked for by the code of a class, also by one above their own', async () => {
    const copy: typeof errors = await import(`./errors.js?${'copy'}`);
    const error = new copy.DataError({ subject: 'A', expected: 'b', received: 'c', code: 'too-large' });
    const codes = [undefined, 'too-large', 'data', 'error', 'checkpoint'];
    expect(codes.map((code) => isDrfError(error, code))).toEqual([true, true, true, true, false]);
    expect(isDrfError(Object.assign(new Error('A'), { code: 'data' }), 'data')).toBe(false);
  });

  it('are recognized when another copy of the package threw them', async () => {
    const copy: typeof errors = await import(`./errors.js?${'copy'}`);
    const foreign = new copy.DataError({ subject: 'A', expected: 'b', received: 'c' });
    expect(copy.DataError).not.toBe(DataError);
    expect(foreign instanceof DataError).toBe(true);
    expect(foreign instanceof DrfError).toBe(true);
    expect(foreign instanceof CheckpointError).toBe(false);
    expect(new Error('A') instanceof DrfError).toBe(false);
  });

  it('of a subclass without a code of its own are told apart from those of its parent', () => {
    class OwnError extends DataError {}
    const report = { subject: 'A', expected: 'b', received: 'c' };
    expect(new OwnError(report) instanceof DataError).toBe(true);
    expect(new OwnError(report).code).toBe('data');
    expect(new DataError(report) instanceof OwnError).toBe(false);
  });

  it('are built in one line', () => {
    const cause = new Error('EIO');
    const refuse = refuser(DataError, 'posts.csv, line 7');
    const error = refuse('a label', 'an empty cell', 'fill it in', cause);
    expect(error.message).toBe('posts.csv, line 7 expected a label, received an empty cell; fill it in');
    expect(error.cause).toBe(cause);
    expect('cause' in refuse('a label', 'none')).toBe(false);
  });

  it('keep the cause', () => {
    const cause = new Error('disk on fire');
    expect(new DataError({ subject: 'A', expected: 'b', received: 'c' }, { cause }).cause).toBe(cause);
  });
});
