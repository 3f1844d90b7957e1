"""Opens an exported encoder by Python's transformers and compares it with the ONNX file's outputs.

    python check_encoder.py FOLDER INPUTS.json    # {"input_ids": [[...]], ...} or {"pixel_values": [[[[...]]]]}

Prints JSON: the model's class, names that were missing or unexpected, and the outputs. Needs torch and transformers.
"""

import json
import sys
from pathlib import Path

import torch
from transformers import AutoModel

# "eager": the faster attentions give another (meaningless) result for a text that is padding alone
model, info = AutoModel.from_pretrained(
    sys.argv[1], local_files_only=True, attn_implementation="eager", output_loading_info=True
)
inputs = {name: torch.tensor(value) for name, value in json.loads(Path(sys.argv[2]).read_text()).items()}
with torch.no_grad():
    outputs = model.eval()(**inputs)
pooled = outputs.get("pooler_output")
print(
    json.dumps(
        {
            "class": type(model).__name__,
            "missing": sorted(info["missing_keys"]),
            "unexpected": sorted(info["unexpected_keys"]),
            "last_hidden_state": outputs.last_hidden_state.flatten().tolist(),
            "pooler_output": None if pooled is None else pooled.flatten().tolist(),
        }
    )
)
