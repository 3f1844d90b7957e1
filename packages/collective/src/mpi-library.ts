import type { load } from 'koffi';
import { refuser, UnavailableError } from '@drf/tensor';

/** A function of the library, which koffi calls on the spot or on a thread of its own. */
export interface NativeFunction {
  (...values: unknown[]): number;
  async(...values: unknown[]): void;
}

type Handle = bigint | number;

/** An MPI library as it was found: its functions, and what its constants are. */
export interface MpiLibrary {
  /** "Open MPI v4.1.4", the first words of what it says of itself. */
  readonly version: string;
  readonly path: string;
  /** @param parameters types in C; `handle` stands for MPI_Comm, MPI_Datatype and MPI_Op */
  call(name: string, parameters: readonly string[]): NativeFunction;
  readonly world: Handle;
  readonly float: Handle;
  readonly byte: Handle;
  readonly sum: Handle;
  /** In place of a buffer to send, where the buffer to receive into holds it. */
  readonly inPlace: Handle;
}

const refuse = refuser(UnavailableError, 'MPI');

/** Names of the C library: Open MPI from 1.10 to 5, then MPICH and what shares its binary interface. */
function libraryNames(environment: NodeJS.ProcessEnv): readonly string[] {
  const named = environment['DRF_MPI_LIBRARY'];
  if (named !== undefined && named !== '') return [named];
  if (process.platform === 'darwin') {
    const files = ['libmpi.40.dylib', 'libmpi.dylib', 'libmpi.12.dylib'];
    return [...files, ...['/opt/homebrew/lib', '/usr/local/lib'].map((folder) => `${folder}/libmpi.dylib`)];
  }
  return ['libmpi.so.40', 'libmpi.so.12', 'libmpi.so'];
}

/** Longer than what any implementation says of itself (MPI_MAX_LIBRARY_VERSION_STRING). */
const VERSION_BYTES = 16_384;

/**
 * Loads koffi and, by it, the MPI library: the one that `DRF_MPI_LIBRARY` names, else the first that the loader finds.
 * Nothing of MPI is started.
 * @throws UnavailableError when koffi or the library is missing, or when it is an implementation that is not known
 */
export async function loadMpi(environment: NodeJS.ProcessEnv = process.env): Promise<MpiLibrary> {
  const koffi = await import('koffi').catch((error: unknown) => {
    const remedy = 'install it: npm install koffi (an optional dependency, which an installation may have left out)';
    throw refuse('the package koffi, which calls the MPI library', firstLine(error), remedy, error);
  });
  const failures: string[] = [];
  for (const path of libraryNames(environment)) {
    try {
      // what Open MPI loads later looks for its names among those of all libraries
      const library = koffi.load(path, { global: true });
      keepLoaded(path, koffi);
      return described(path, library);
    } catch (error) {
      if (error instanceof UnavailableError) throw error;
      failures.push(`${path}: ${firstLine(error)}`);
    }
  }
  const remedy = 'install Open MPI (apt-get install openmpi-bin, brew install open-mpi), or name its library in DRF_MPI_LIBRARY'; // prettier-ignore
  throw refuse('a library that can be loaded', failures.join('; '), remedy);
}

/** Of dlopen: find all names now. */
const RTLD_NOW = 2;

/**
 * Opens a library once more, for good: koffi closes it when Node ends, but threads of Node's that called it end later, by
 * way of destructors that lie in it, and the process would crash after its work was done.
 */
function keepLoaded(path: string, { load: open }: { readonly load: typeof load }): void {
  open(null).func('dlopen', 'void*', ['str', 'int'])(path, RTLD_NOW);
}

type Library = ReturnType<typeof load>;

function described(path: string, library: Library): MpiLibrary {
  const text = Buffer.alloc(VERSION_BYTES);
  const length = new Int32Array(1);
  (library.func('MPI_Get_library_version', 'int', ['void*', 'void*']) as NativeFunction)(text, length);
  const full = text.toString('latin1', 0, length[0]);
  const version = (full.split(/[,\n]/)[0] as string).replace(/\s+/g, ' ').replace(/\0.*$/, '').trim();
  const functions = (handle: string): MpiLibrary['call'] => {
    return (name, parameters) => {
      const types = parameters.map((type) => (type === 'handle' ? handle : type));
      return library.func(name, 'int', types) as NativeFunction;
    };
  };
  if (/^Open MPI/i.test(full)) {
    const symbol = (name: string): bigint => library.symbol(name) as bigint;
    return {
      version,
      path,
      call: functions('void*'), // handles are addresses of the library's own objects
      world: symbol('ompi_mpi_comm_world'),
      float: symbol('ompi_mpi_float'),
      byte: symbol('ompi_mpi_byte'),
      sum: symbol('ompi_mpi_op_sum'),
      inPlace: 1n,
    };
  }
  // MPICH's common binary interface: handles are numbers, written in its mpi.h
  if (/MPICH|Intel\(R\) MPI|MVAPICH/i.test(full)) {
    const handles = { world: 0x44000000, float: 0x4c00040a, byte: 0x4c00010d, sum: 0x58000003, inPlace: -1n };
    return { version, path, call: functions('int'), ...handles };
  }
  throw refuse('Open MPI, or MPICH and what shares its binary interface', version, 'name another in DRF_MPI_LIBRARY');
}

function firstLine(error: unknown): string {
  return (error instanceof Error ? error.message : String(error)).split('\n')[0] as string;
}
