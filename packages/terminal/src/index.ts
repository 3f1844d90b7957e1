export { createProgram, EXIT, ExitRequest, interruptSignal, reportError, runApp, withExamples } from './run-app.js';
export { spell } from './spell.js';
export { engineOption, parseEngineName } from './engine-name.js';
export {
  collect,
  finiteNumber,
  namedValues,
  nearestName,
  oneOf,
  suggestion,
  valuesByName,
  wholeNumber,
} from './options.js';
export {
  formatDuration,
  leftOut,
  startJob,
  startProgress,
  type Job,
  type Progress,
  type ProgressOptions,
} from './progress.js';
export { formatCsv, formatTable, percent, withoutZeroSign, type Cell, type CsvOptions } from './table.js';
export { escapeHtml, htmlDocument } from './html.js';
export { cursorStream, printable } from './printable.js';
export { Command, Option, InvalidArgumentError } from 'commander';
export {
  findProgram,
  lastLines,
  runCommand,
  type CommandOptions,
  type CommandResult,
  type RunCommand,
} from './run-command.js';
