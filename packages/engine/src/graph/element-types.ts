import type { ElementType } from './value.js';

/** ONNX's numbers of the element types (TensorProto.DataType). */
export const ELEMENT_TYPE_CODES: Readonly<Record<ElementType, number>> = { float32: 1, int32: 6, int64: 7, bool: 9 };
