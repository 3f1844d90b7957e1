// Tells its process number, and begins anew once, as the variable says.
import { restartWith } from '../restart.js';

const { TOLD = 'nothing', KEPT } = process.env;
console.log(process.pid, TOLD, KEPT, process.argv.slice(2).join('|'));
if (TOLD === 'nothing') await restartWith({ TOLD: 'ä b=c' });
console.log('goes on');
