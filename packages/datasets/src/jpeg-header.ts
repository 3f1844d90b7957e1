/**
 * A copy of a JPEG without those faults of its header that readers warn of and that change no pixel: a JFIF revision from
 * the future, bytes between segments, and spectral parameters that sequential images do not use. (ITU T.81, annex B; the
 * decoder names only the first thing that it warns of, so these would hide that data are missing further on.)
 */
export function withoutHarmlessFaults(bytes: Uint8Array): Buffer {
  const file = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  const parts: Buffer[] = [file.subarray(0, 2)]; // start of image
  let isSequential = false;
  let at = 2;
  while (at + 4 <= file.length) {
    const start = file.indexOf(0xff, at);
    if (start < 0 || start + 4 > file.length) break;
    const marker = file[start + 1] as number;
    if (marker === 0x00 || marker === 0xff || (marker >= 0xd0 && marker <= 0xd9)) {
      at = start + 1; // fill bytes, and markers that cannot stand here
      continue;
    }
    const end = start + 2 + file.readUInt16BE(start + 2);
    const segment = Buffer.from(file.subarray(start, end));
    if (marker === 0xc0 || marker === 0xc1) isSequential = true;
    if (marker === 0xe0 && segment.toString('latin1', 4, 9) === 'JFIF\0') segment[9] = 1;
    if (marker === 0xda && isSequential && segment.length > 7) segment.set([0, 63, 0], segment.length - 3);
    parts.push(segment);
    at = end;
    if (marker === 0xda) break; // compressed data follow
  }
  return Buffer.concat([...parts, file.subarray(at)]);
}
