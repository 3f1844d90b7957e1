import { mkdirSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import Database from 'libsql';
import { ConfigurationError, DataError } from '@drf/tensor';
import { SCHEMA, STORE_VERSION } from './schema.js';

/** What a column may hold. */
export type Value = string | number | null | Buffer;
export type Row = Readonly<Record<string, string | number | null | ArrayBuffer | undefined>>;

/** A prepared statement; named parameters would be slower, so places count. */
export interface Statement {
  run(...values: readonly Value[]): { readonly lastInsertRowid: number | bigint };
  get(...values: readonly Value[]): Row | undefined;
  all(...values: readonly Value[]): Row[];
}

/** The part of better-sqlite3's interface, which libsql shares, that the store needs. */
export interface Connection {
  prepare(sql: string): Statement;
  exec(sql: string): unknown;
  close(): void;
}

type Open = new (path: string, options?: { readonly timeout?: number; readonly readonly?: boolean }) => Connection;

function open(path: string, options: { readonly timeout?: number; readonly readonly?: boolean }): Connection {
  return new (Database as unknown as Open)(path, options);
}

/**
 * Opens a store for writing, made with its tables where there is none.
 * @throws DataError when the file is no store; ConfigurationError when it is of another version
 */
export function openForWriting(path: string): Connection {
  mkdirSync(dirname(path), { recursive: true });
  const connection = guarded(path, () => open(path, { timeout: 10_000 }));
  return guarded(path, () => {
    connection.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA foreign_keys = ON');
    if (versionOf(connection) === 0 && isEmpty(connection)) inTransaction(connection, () => connection.exec(SCHEMA));
    assertVersion(path, connection);
    return connection;
  });
}

/** Opens a store for reading. @throws DataError when there is none; as {@link openForWriting} */
export function openForReading(path: string): Connection {
  const isFile = statSync(path, { throwIfNoEntry: false })?.isFile() === true;
  if (!isFile) {
    throw new DataError({
      subject: `Result store ${path}`,
      expected: 'a store that pnpm eval grid made',
      received: 'no such file',
      remedy: 'name the folder of a grid, or run one: pnpm eval grid smoke',
    });
  }
  return guarded(path, () => {
    const connection = open(path, { timeout: 10_000, readonly: true });
    assertVersion(path, connection);
    return connection;
  });
}

/** Everything or nothing. */
export function inTransaction<T>(connection: Connection, work: () => T): T {
  connection.exec('BEGIN IMMEDIATE');
  try {
    const result = work();
    connection.exec('COMMIT');
    return result;
  } catch (error) {
    connection.exec('ROLLBACK');
    throw error;
  }
}

function guarded<T>(path: string, work: () => T): T {
  try {
    return work();
  } catch (error) {
    const code = (error as { code?: unknown }).code;
    if (typeof code !== 'string' || !code.startsWith('SQLITE')) throw error;
    throw new DataError(
      {
        subject: `Result store ${path}`,
        expected: 'a store that pnpm eval grid made, readable and not in use elsewhere',
        received: `${code}: ${(error as Error).message}`,
        remedy: 'name the folder of a grid, or choose another place',
      },
      { cause: error },
    );
  }
}

function versionOf(connection: Connection): number {
  return Number(connection.prepare('PRAGMA user_version').get()?.user_version);
}

function isEmpty(connection: Connection): boolean {
  return connection.prepare('SELECT name FROM sqlite_schema LIMIT 1').all().length === 0;
}

function assertVersion(path: string, connection: Connection): void {
  const version = versionOf(connection);
  if (version === STORE_VERSION) return;
  connection.close();
  throw new ConfigurationError({
    subject: `Result store ${path}`,
    expected: `version ${STORE_VERSION}`,
    received: version === 0 ? 'a database of something else' : `version ${version}`,
    remedy: 'choose another place, or use the program that made it',
  });
}
