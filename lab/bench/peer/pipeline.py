#!/usr/bin/env python3
"""What `bench pipeline` compares with: encodes a table of posts (encode), judges it (predict), trains a head (train).
usage: pipeline.py encode|predict|train TABLE --models models.json --setting JSON --out FILE [--epochs 5 --batch-size 16]
"""
import argparse
import json

import numpy as np

from encoders import Head, encode_posts, read_posts


def save_features(posts, encoded, out):
    from safetensors.numpy import save_file

    tensors = {f"{modality}_feature": features for modality, (features, _) in encoded.items()}
    save_file({**tensors, **{f"has_{modality}": given > 0 for modality, (_, given) in encoded.items()}}, out)
    with open(f"{out}.ids.json", "w") as file:
        json.dump([post["id"] for post in posts], file)


def save_judgments(posts, encoded, models, setting, out):
    head = Head(models, {**setting, "threads": setting["threads"] * setting["processes"]})
    (image, has_image), (text, has_text) = encoded["image"], encoded["text"]
    inputs = {"image": image, "text": text, "imageAvailable": has_image, "textAvailable": has_text}
    with open(out, "w", encoding="utf-8") as file:
        for start in range(0, len(posts), 256):
            rows = head({name: each[start : start + 256] for name, each in inputs.items()})
            for post, row in zip(posts[start:], rows):
                probabilities = dict(zip(models["labels"], map(float, row)))
                label = models["labels"][int(np.argmax(row))]
                file.write(json.dumps({"id": post["id"], "label": label, "probabilities": probabilities}) + "\n")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("task", choices=["encode", "predict", "train"])
    parser.add_argument("table")
    for name in ("models", "setting", "out"):
        parser.add_argument(f"--{name}", required=True)
    for name, default in (("epochs", 5), ("batch-size", 16)):
        parser.add_argument(f"--{name}", type=int, default=default)
    options = parser.parse_args()
    setting = json.loads(options.setting)
    with open(options.models) as file:
        models = json.load(file)
    posts = read_posts(options.table)
    encoded = encode_posts(posts, models, setting)
    if options.task == "encode":
        save_features(posts, encoded, options.out)
    elif options.task == "predict":
        save_judgments(posts, encoded, models, setting, options.out)
    else:
        from head import train  # which needs PyTorch, whatever encodes

        print(json.dumps(train(posts, encoded, models, setting, options)))


if __name__ == "__main__":  # processes that this one starts import it
    main()
