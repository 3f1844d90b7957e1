import { checkCollective } from '../collective.contract.js';
import { openMpi } from '../mpi.js';

/** One rank of the test over a real MPI: `check-mpi.ts [ELEMENTS A MESSAGE] [fail]`. */
const [most = '2147483647', failure] = process.argv.slice(2);
const own = await openMpi({ mostElements: Number(most) });
await checkCollective(own);
if (failure === 'fail' && own.rank === 1) {
  process.stderr.write('rank 1 has had enough\n');
  own.abort(3);
}
if (failure === 'fail') await own.barrier(); // waits for a rank that is no more
await own.close();
process.stdout.write(`rank ${own.rank} of ${own.size} is content\n`);
