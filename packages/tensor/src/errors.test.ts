import { describe, expect, it } from 'vitest';
import {
  CheckpointError,
  ConfigurationError,
  DataError,
  DrfError,
  NonFiniteError,
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

  it('keep the cause', () => {
    const cause = new Error('disk on fire');
    expect(new DataError({ subject: 'A', expected: 'b', received: 'c' }, { cause }).cause).toBe(cause);
  });
});
