// A process with a channel to the one that forked it, which it must not lose.
import { restartWith } from '../restart.js';

await restartWith({ TOLD: 'anew' });
process.send?.(process.env['TOLD'] === undefined ? 'still here' : 'begun anew', () => process.exit());
