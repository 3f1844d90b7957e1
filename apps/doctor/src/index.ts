export { examine, type ExamineOptions } from './examine.js';
export { makeReport, type Finding, type Mark, type Report } from './finding.js';
export { thisMachine, type Machine } from './machine.js';
export { render } from './render.js';
