import { refuser, UnavailableError } from '@drf/tensor';
import type { Collective } from './collective.js';
import { loadMpi, type MpiLibrary, type NativeFunction } from './mpi-library.js';

const refuse = refuser(UnavailableError, 'Distributed training by MPI');

/** The threads of a process may call MPI, one at a time; and all at once, which does as well. */
const THREAD_SERIALIZED = 2;
const THREAD_MULTIPLE = 3;

/** The most elements of one message: counts are C's int. */
const MOST_ELEMENTS = 2 ** 31 - 1;

/** What says how many processes a launcher started: mpirun's of Open MPI, those of MPICH, and srun. */
const SIZES = ['OMPI_COMM_WORLD_SIZE', 'PMI_SIZE'];
/** What says that there is a launcher that ranks can ask: srun --mpi=pmix, prterun. */
const SERVERS = ['PMIX_RANK', 'PMI_FD', 'PMI_RANK'];

export interface MpiOptions {
  readonly environment?: NodeJS.ProcessEnv;
  /** Elements of one message, at most; more travel in pieces. For tests. */
  readonly mostElements?: number;
}

/**
 * Joins this process to those that `mpirun` or `srun` started with it. Operations run on a thread of their own, so that
 * Node goes on meanwhile, and one at a time.
 *
 * Sums are the same for the same number of ranks: Open MPI is told (where nothing else is set) to reduce in a ring,
 * whose order depends on ranks alone, and to let the processor go while it waits.
 * @throws UnavailableError when the process was not started by one of them, when koffi or the library is missing, or when
 *   the library cannot be called from several threads
 */
export async function openMpi({
  environment = process.env,
  mostElements = MOST_ELEMENTS,
}: MpiOptions = {}): Promise<Collective> {
  const asked = launchedSize(environment);
  const mpi = await loadMpi(environment);
  for (const [name, value] of Object.entries(OPEN_MPI_SETTINGS)) environment[name] ??= value;
  const provided = new Int32Array(1);
  mpi.call('MPI_Init_thread', ['void*', 'void*', 'int', 'void*'])(null, null, THREAD_MULTIPLE, provided);
  if ((provided[0] as number) < THREAD_SERIALIZED) {
    throw refuse('a library that may be called from any thread', `${mpi.version}, which may not`, 'use one built with threads'); // prettier-ignore
  }
  const size = own(mpi, 'MPI_Comm_size');
  if (asked !== undefined && asked !== size) {
    const remedy = 'start with the mpirun of the library that is loaded, or name its library in DRF_MPI_LIBRARY; under Slurm: srun --mpi=pmix'; // prettier-ignore
    throw refuse(`${asked} processes that see each other, as the launcher says`, `${size} (${mpi.version})`, remedy);
  }
  return new Mpi(mpi, own(mpi, 'MPI_Comm_rank'), size, mostElements);
}

/** Read by Open MPI when it starts; what is set already stays. Algorithm 4 of an all-reduce is the ring. */
const OPEN_MPI_SETTINGS = {
  OMPI_MCA_coll: '^han,hcoll,ucc,adapt,sm',
  OMPI_MCA_coll_tuned_use_dynamic_rules: '1',
  OMPI_MCA_coll_tuned_allreduce_algorithm: '4',
  OMPI_MCA_mpi_yield_when_idle: '1',
};

/** How many processes the launcher says that it started. @throws UnavailableError when there is no launcher */
function launchedSize(environment: NodeJS.ProcessEnv): number | undefined {
  const size = SIZES.map((name) => environment[name]).find((value) => value !== undefined);
  if (size !== undefined) return Number(size);
  // srun started this step's tasks; without PMI each would be a world of its own
  if (SERVERS.some((name) => environment[name] !== undefined)) return numberOf(environment['SLURM_STEP_NUM_TASKS']);
  throw refuse(
    'to be started by mpirun or srun',
    `none of ${[...SIZES, ...SERVERS].join(', ')} in the environment`,
    'put mpirun -n 4 or srun --mpi=pmix -n 4 in front of the command',
  );
}

function numberOf(text: string | undefined): number | undefined {
  return text === undefined ? undefined : Number(text);
}

function own(mpi: MpiLibrary, name: string): number {
  const value = new Int32Array(1);
  mpi.call(name, ['handle', 'void*'])(mpi.world, value);
  return value[0] as number;
}

class Mpi implements Collective {
  private last: Promise<unknown> = Promise.resolve();
  private readonly reduce: NativeFunction;
  private readonly gather: NativeFunction;
  private readonly gatherLengths: NativeFunction;
  private readonly send: NativeFunction;
  private readonly meet: NativeFunction;

  constructor(
    private readonly mpi: MpiLibrary,
    readonly rank: number,
    readonly size: number,
    private readonly mostElements: number,
  ) {
    const buffer = 'void*';
    this.reduce = mpi.call('MPI_Allreduce', [buffer, buffer, 'int', 'handle', 'handle', 'handle']);
    this.gather = mpi.call('MPI_Allgatherv', [buffer, 'int', 'handle', buffer, buffer, buffer, 'handle', 'handle']);
    this.gatherLengths = mpi.call('MPI_Allgather', [buffer, 'int', 'handle', buffer, 'int', 'handle', 'handle']);
    this.send = mpi.call('MPI_Bcast', [buffer, 'int', 'handle', 'int', 'handle']);
    this.meet = mpi.call('MPI_Barrier', ['handle']);
  }

  allReduceSum(buffer: Float32Array): Promise<void> {
    const { inPlace, float, sum, world } = this.mpi;
    return this.inTurn(async () => {
      for (let start = 0; start < buffer.length; start += this.mostElements) {
        const piece = buffer.subarray(start, start + this.mostElements);
        await invoke(this.reduce, 'MPI_Allreduce', inPlace, piece, piece.length, float, sum, world);
      }
    });
  }

  allGather(bytes: Uint8Array): Promise<readonly Uint8Array[]> {
    return this.inTurn(async () => {
      const lengths = await this.lengthsOf(bytes.length);
      const all = lengths.map((length) => new Uint8Array(length));
      const most = Math.max(1, Math.floor(this.mostElements / this.size)); // of a rank, so that offsets are C's int, too
      for (let start = 0; start < Math.max(...lengths); start += most) {
        const counts = Int32Array.from(lengths, (length) => Math.min(most, Math.max(0, length - start)));
        const offsets = new Int32Array(this.size);
        for (let rank = 1; rank < this.size; rank++) offsets[rank] = (offsets[rank - 1] as number) + (counts[rank - 1] as number); // prettier-ignore
        const received = new Uint8Array((offsets.at(-1) as number) + (counts.at(-1) as number));
        const { byte, world } = this.mpi;
        const piece = bytes.subarray(start, start + most);
        await invoke(this.gather, 'MPI_Allgatherv', piece, piece.length, byte, received, counts, offsets, byte, world);
        all.forEach((target, rank) => {
          const offset = offsets[rank] as number;
          target.set(received.subarray(offset, offset + (counts[rank] as number)), Math.min(start, target.length));
        });
      }
      return all;
    });
  }

  broadcast(bytes: Uint8Array): Promise<Uint8Array> {
    const { byte, world } = this.mpi;
    return this.inTurn(async () => {
      const [length] = (await this.lengthsOf(bytes.length)) as [number];
      const all = this.rank === 0 ? Uint8Array.from(bytes) : new Uint8Array(length);
      for (let start = 0; start < length; start += this.mostElements) {
        const piece = all.subarray(start, start + this.mostElements);
        await invoke(this.send, 'MPI_Bcast', piece, piece.length, byte, 0, world);
      }
      return all;
    });
  }

  barrier(): Promise<void> {
    return this.inTurn(() => invoke(this.meet, 'MPI_Barrier', this.mpi.world));
  }

  abort(exitCode: number): void {
    this.mpi.call('MPI_Abort', ['handle', 'int'])(this.mpi.world, exitCode); // does not return
  }

  /** Waits for the others off the event loop; MPI wants to be ended by the thread that began it. */
  async close(): Promise<void> {
    await this.barrier();
    this.mpi.call('MPI_Finalize', [])();
  }

  /** Bytes that each rank has to give. */
  private async lengthsOf(length: number): Promise<number[]> {
    const bytes = Float64Array.BYTES_PER_ELEMENT;
    const all = new Float64Array(this.size);
    const { byte, world } = this.mpi;
    await invoke(this.gatherLengths, 'MPI_Allgather', Float64Array.of(length), bytes, byte, all, bytes, byte, world);
    return [...all];
  }

  /** MPI is to be called by one thread at a time, and by all ranks in the same order. */
  private inTurn<Result>(operation: () => Promise<Result>): Promise<Result> {
    const result = this.last.then(operation);
    this.last = result.catch(() => undefined);
    return result;
  }
}

/** A call on a thread of koffi's. MPI itself ends the job on errors, unless it is told not to. */
function invoke(native: NativeFunction, name: string, ...values: readonly unknown[]): Promise<void> {
  return new Promise((resolve, reject) => {
    native.async(...values, (error: Error | null, code: number) => {
      if (error === null && code === 0) resolve();
      else reject(refuse(`${name} to succeed`, error === null ? `MPI error ${code}` : error.message));
    });
  });
}
