/** An uncompressed TIFF of one color: the simplest image file that decoders read. */
export function plainTiff(side: number, color: readonly [number, number, number]): Buffer {
  const pixels = Buffer.from(Array.from({ length: side * side }, () => color).flat());
  const [short, long] = [3, 4];
  const afterHeader = 8;
  const bitsAt = afterHeader + pixels.length;
  const directoryAt = bitsAt + 6;
  const entries: readonly (readonly [tag: number, type: number, count: number, value: number])[] = [
    [256, long, 1, side], // width
    [257, long, 1, side], // height
    [258, short, 3, bitsAt], // bits a sample
    [259, short, 1, 1], // no compression
    [262, short, 1, 2], // RGB
    [273, long, 1, afterHeader], // where the only strip is
    [277, short, 1, 3], // samples a pixel
    [278, long, 1, side], // rows in the strip
    [279, long, 1, pixels.length],
  ];
  const file = Buffer.alloc(directoryAt + 2 + 12 * entries.length + 4);
  file.write('II*\0', 'latin1');
  file.writeUInt32LE(directoryAt, 4);
  pixels.copy(file, afterHeader);
  for (let sample = 0; sample < 3; sample++) file.writeUInt16LE(8, bitsAt + 2 * sample);
  file.writeUInt16LE(entries.length, directoryAt);
  entries.forEach(([tag, type, count, value], i) => {
    const at = directoryAt + 2 + 12 * i;
    file.writeUInt16LE(tag, at);
    file.writeUInt16LE(type, at + 2);
    file.writeUInt32LE(count, at + 4);
    if (type === short && count === 1) file.writeUInt16LE(value, at + 8);
    else file.writeUInt32LE(value, at + 8);
  });
  return file;
}
