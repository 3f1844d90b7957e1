"""Opens exported encoders by Python's transformers, to be compared with the ONNX files' outputs.

    python check_encoder.py FOLDER...    # beside each FOLDER its inputs, FOLDER.json:
                                         # {"input_ids": [[...]], ...} or {"pixel_values": [[[[...]]]]}

Prints a list in JSON, of each: the model's class, names that were missing or unexpected, and the outputs. Needs torch and
transformers.
"""

import json
import sys
from pathlib import Path

import torch
import transformers


def check(folder):
    architecture = json.loads((Path(folder) / "config.json").read_text())["architectures"][0]
    # by its class: AutoModel has none for CLIP's towers
    # "eager": the faster attentions give another (meaningless) result for a text that is padding alone
    model, info = getattr(transformers, architecture).from_pretrained(
        folder, local_files_only=True, attn_implementation="eager", output_loading_info=True
    )
    inputs = {name: torch.tensor(value) for name, value in json.loads(Path(f"{folder}.json").read_text()).items()}
    with torch.no_grad():
        outputs = model.eval()(**inputs)
    named = ("last_hidden_state", "pooler_output", "image_embeds", "text_embeds")
    return {
        "class": type(model).__name__,
        "missing": sorted(info["missing_keys"]),
        "unexpected": sorted(info["unexpected_keys"]),
        **{name: outputs[name].flatten().tolist() for name in named if outputs.get(name) is not None},
    }


print(json.dumps([check(folder) for folder in sys.argv[1:]]))
