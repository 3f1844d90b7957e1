// One measurement in a process of its own, whose memory is then the measurement's: `measured.mjs WORK …`, with the work's arguments.
// Prints as JSON what the work gives, its seconds, and the most memory of the process before it and after it, in bytes.
import { WORKS } from './works.mjs';

const peakMemory = () => 1024 * process.resourceUsage().maxRSS;

const [name, ...args] = process.argv.slice(2);
const work = await WORKS[name](...args);
const before = peakMemory();
const begun = performance.now();
const result = await work();
const seconds = (performance.now() - begun) / 1000;
process.stdout.write(JSON.stringify({ ...result, seconds, before, peak: peakMemory() }));
