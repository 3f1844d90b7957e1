import { join, posix } from 'node:path';
import { cacheFolder } from '@drf/files';
import { ConfigurationError, DataError, refuser } from '@drf/tensor';

/** A bucket and the key or prefix in it, without a slash at either end; empty for the whole bucket. */
export interface ObjectLocation {
  readonly bucket: string;
  readonly key: string;
}

/** S3's own limit, in bytes of UTF-8; paths of files on Linux may be four times as long. */
const LONGEST_KEY_BYTES = 1024;
/** Also the names of older buckets, and access points. */
const BUCKET = /^[A-Za-z0-9][A-Za-z0-9._-]{1,254}$/;

/** Whether a location names object storage (`s3://bucket/prefix`) rather than a folder or file. */
export function isObjectLocation(location: string): boolean {
  return location.startsWith('s3://');
}

/**
 * Whether a location names a file or folder of this machine.
 * @throws ConfigurationError for one of another scheme than `s3://`, such as `gs://`, which would otherwise be made as a folder
 */
export function isLocalLocation(location: string): boolean {
  if (isObjectLocation(location)) return false;
  const scheme = /^([A-Za-z][A-Za-z0-9+.-]+):\/\//.exec(location)?.[1];
  if (scheme === undefined) return true;
  throw refuser(ConfigurationError, `Location ${JSON.stringify(location)}`)(
    'a folder, or s3://bucket/prefix',
    `the scheme ${scheme}`,
    'other stores that speak S3 are reached by s3:// and the variable AWS_ENDPOINT_URL',
  );
}

/** The folder of a feature cache: itself, or the user's own, which stands before one in object storage. */
export function localFeatureCache(location: string): string {
  return isLocalLocation(location) ? location : join(cacheFolder(), 'features');
}

/** @throws ConfigurationError for a location in object storage, where an option of a command line takes local ones alone */
export function assertLocalLocation(option: string, location: string | undefined): void {
  if (location === undefined || isLocalLocation(location)) return;
  const refuse = refuser(ConfigurationError, option);
  throw refuse('a place on this machine', location, 'name a local one, and copy it there afterwards');
}

/** Takes `s3://bucket/prefix` apart. @throws ConfigurationError for one that names no bucket, or a prefix that is no path */
export function parseObjectLocation(location: string): ObjectLocation {
  const [bucket = '', ...parts] = location.slice('s3://'.length).split('/');
  const key = parts.join('/').replace(/\/+$/, '');
  const secret = bucket.lastIndexOf('@') + 1; // a name and password before the bucket, as other programs take them
  if (secret > 0) {
    throw refuser(ConfigurationError, `Location s3://…@${bucket.slice(secret)}`)(
      's3://BUCKET/PREFIX',
      'something before the bucket, as a name and password',
      'leave it out, and set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY',
    );
  }
  const refuse = refuser(ConfigurationError, `Location ${JSON.stringify(location)}`);
  if (!BUCKET.test(bucket)) {
    throw refuse(
      's3://BUCKET/PREFIX',
      bucket === '' ? 'no bucket' : `the bucket ${JSON.stringify(bucket)}`,
      'name one',
    );
  }
  if (key !== '' && plainPath(key) !== key) {
    throw refuse('a prefix of plain names between single slashes', JSON.stringify(key), 'leave out "..", "." and "//"');
  }
  return { bucket, key };
}

/**
 * The path of a file below a storage's root, by the rules of {@link resolveInside}: `./a` is `a`, `a/../b` is `b`.
 * @param root for the message
 * @throws DataError for one that is empty or absolute, leads out, or holds a backslash, NUL or empty name
 */
export function storedPath(root: string, path: string): string {
  const plain = plainPath(path);
  if (plain !== undefined) return plain;
  throw refuser(DataError, `Path ${JSON.stringify(path.length > 100 ? `${path.slice(0, 100)}…` : path)}`)(
    `a path below ${root}, of names between single slashes`,
    path === '' ? 'an empty one' : 'one that leads elsewhere, is too long, or holds a backslash or an empty name',
    'name a file below that place',
  );
}

/**
 * Gives a path of a listing on. @throws DataError for an object's key that is no path, such as `a//b`, which could be
 * listed but neither opened nor copied into a folder
 */
export function listedPath(location: string, path: string): string {
  if (plainPath(path) === path) return path;
  throw refuser(DataError, `Listing ${location}`)(
    'keys that are paths: names between single slashes, without ".." and backslashes',
    JSON.stringify(path),
    'rename or remove that object, or name a prefix without it',
  );
}

function plainPath(path: string): string | undefined {
  if (path.startsWith('/') || /[\0\\]|\/\/|\/$/.test(path) || Buffer.byteLength(path) > LONGEST_KEY_BYTES)
    return undefined;
  const plain = posix.normalize(path);
  return path === '' || plain === '.' || plain === '..' || plain.startsWith('../') || plain.endsWith('/')
    ? undefined
    : plain;
}

/**
 * The order of listings: that of S3, by bytes of UTF-8, which is that of code points. It differs from JavaScript's own,
 * by code units, only between characters beyond the basic plane (emoji) and the few from U+E000.
 */
export function comparePaths(one: string, other: string): number {
  const length = Math.min(one.length, other.length);
  for (let at = 0; at < length; at++) {
    const [left, right] = [one.charCodeAt(at), other.charCodeAt(at)];
    if (left !== right) return rank(left) - rank(right);
  }
  return one.length - other.length;
}

/** Puts the halves of surrogate pairs behind all other code units. */
function rank(unit: number): number {
  return unit >= 0xd800 && unit < 0xe000 ? unit + 0x10000 : unit;
}
