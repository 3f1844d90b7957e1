"""Forward pass or AdamW step of ViT and BERT (random weights) in PyTorch and transformers, for `pnpm bench encoders`.

Prints {"seconds": …, "cpuSeconds": …, "peakMegabytes": …, "setting": …}: median time of a call, processor time of a
call, and the process's peak resident size.
"""

import argparse
import json
import os
import resource
import statistics
import time

import torch
from transformers import BertConfig, BertModel, ViTConfig, ViTModel


def arguments():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--part", choices=["vit", "bert", "both"], default="both")
    parser.add_argument("--mode", choices=["forward", "step"], default="forward")
    for name, default in [
        ("batch", 16), ("length", 128), ("image", 224), ("patch", 16), ("dim", 768), ("layers", 12), ("heads", 12),
        ("vocabulary", 30522), ("calls", 3), ("warm-up", 1), ("threads", 0),
    ]:
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--recompute", action="store_true", help="gradient checkpointing in every layer")
    parser.add_argument("--compile", action="store_true", help="torch.compile, which needs a C++ compiler")
    parser.add_argument("--optimizer", choices=["fused", "foreach"], default="fused")
    return parser.parse_args()


class Encoders(torch.nn.Module):
    """Both encoders, mean pooling, and a classifier of three classes over the pair."""

    def __init__(self, options):
        super().__init__()
        common = dict(
            hidden_size=options.dim,
            num_hidden_layers=options.layers,
            num_attention_heads=options.heads,
            intermediate_size=4 * options.dim,
            hidden_dropout_prob=0.0,
            attention_probs_dropout_prob=0.0,
            attn_implementation="sdpa",
        )
        self.vit = self.bert = None
        if options.part != "bert":
            config = ViTConfig(image_size=options.image, patch_size=options.patch, **common)
            self.vit = ViTModel(config, add_pooling_layer=False)
        if options.part != "vit":
            config = BertConfig(vocab_size=options.vocabulary, **common)
            self.bert = BertModel(config, add_pooling_layer=False)
        parts = [part for part in (self.vit, self.bert) if part is not None]
        if options.recompute:
            for part in parts:
                part.gradient_checkpointing_enable()
        self.classifier = torch.nn.Linear(len(parts) * options.dim, 3)

    def encode(self, pixels, ids, mask):
        pooled = []
        if self.vit is not None:
            pooled.append(self.vit(pixel_values=pixels).last_hidden_state.mean(1))
        if self.bert is not None:
            tokens = self.bert(input_ids=ids, attention_mask=mask).last_hidden_state
            pooled.append((tokens * mask[:, :, None]).sum(1) / mask.sum(1, keepdim=True))
        return torch.cat(pooled, 1)


def main():
    options = arguments()
    if options.threads:
        torch.set_num_threads(options.threads)
    torch.manual_seed(0)
    model = Encoders(options)
    if options.compile:
        model.encode = torch.compile(model.encode)
    pixels = torch.randn(options.batch, 3, options.image, options.image)
    ids = torch.randint(0, options.vocabulary, (options.batch, options.length))
    lengths = torch.linspace(options.length // 2, options.length, options.batch).long()
    mask = (torch.arange(options.length)[None] < lengths[:, None]).float()
    labels = torch.randint(0, 3, (options.batch,))
    if options.mode == "forward":
        model.eval()

        def call():
            with torch.inference_mode():
                return model.encode(pixels, ids, mask).sum().item()
    else:
        model.train()
        kind = {"fused": {"fused": True}, "foreach": {"foreach": True}}[options.optimizer]
        optimizer = torch.optim.AdamW(model.parameters(), lr=1e-5, **kind)

        def call():
            loss = torch.nn.functional.cross_entropy(model.classifier(model.encode(pixels, ids, mask)), labels)
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()
            return loss.item()

    times = []
    for number in range(options.warm_up + options.calls):
        if number == options.warm_up:
            before = time.process_time()
        start = time.perf_counter()
        call()
        if number >= options.warm_up:
            times.append(time.perf_counter() - start)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    waiting = os.environ.get("OMP_WAIT_POLICY", "default").lower()
    setting = f"torch {torch.__version__}, {torch.get_num_threads()} threads, waiting {waiting}"
    if options.compile:
        setting += ", compiled"
    cpu = (time.process_time() - before) / options.calls
    report = {"seconds": statistics.median(times), "cpuSeconds": cpu, "peakMegabytes": peak, "setting": setting}
    print(json.dumps(report))


main()
