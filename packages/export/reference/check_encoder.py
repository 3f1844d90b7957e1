"""Opens an exported encoder by Python's transformers and compares it with the ONNX file's outputs.

    python check_encoder.py FOLDER INPUTS.json    # {"input_ids": [[...]], ...} or {"pixel_values": [[[[...]]]]}

Prints JSON: the model's class, names that were missing or unexpected, and the outputs. Needs torch and transformers.
"""

import json
import sys
from pathlib import Path

import torch
import transformers

# "eager": the faster attentions give another (meaningless) result for a text that is padding alone
with open(Path(sys.argv[1]) / "config.json", encoding="utf8") as file:
    architecture = getattr(transformers, json.load(file)["architectures"][0])  # AutoModel has no class for CLIP's towers
model, info = architecture.from_pretrained(
    sys.argv[1], local_files_only=True, attn_implementation="eager", output_loading_info=True
)
inputs = {name: torch.tensor(value) for name, value in json.loads(Path(sys.argv[2]).read_text()).items()}
with torch.no_grad():
    outputs = model.eval()(**inputs)
named = ("pooler_output", "image_embeds", "text_embeds")
pooled = {name: outputs[name].flatten().tolist() for name in named if outputs.get(name) is not None}
print(
    json.dumps(
        {
            "class": type(model).__name__,
            "missing": sorted(info["missing_keys"]),
            "unexpected": sorted(info["unexpected_keys"]),
            "last_hidden_state": outputs.last_hidden_state.flatten().tolist(),
            **pooled,
        }
    )
)
