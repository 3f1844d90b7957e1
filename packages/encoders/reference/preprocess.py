"""Preprocessing by Hugging Face's own Python libraries, to compare with.

    python preprocess.py versions
    python preprocess.py tokenize MODEL TEXTS.json IDS.json     # folder with the tokenizer's files
    python preprocess.py pixels MODEL IMAGES.json PIXELS.f32    # [{"path": png} or {"rgb": path, "width", "height"}]
    python preprocess.py train-bpe FOLDER                       # a small byte-level BPE in RoBERTa's layout
    python preprocess.py train-tower KIND FOLDER                # a small tokenizer as clip, siglip or gemma (SigLIP 2) have it

Needs transformers (tokenizers, Pillow, numpy); PyTorch is not used.
"""

import json
import random
import sys
from pathlib import Path


def read_json(path):
    return json.loads(Path(path).read_text(encoding="utf-8", errors="surrogatepass"))


def whole_characters(text):
    """Python's tokenizers refuse halves of characters; U+FFFD stands for one."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def versions():
    import PIL
    import tokenizers
    import transformers

    print(json.dumps({m.__name__: m.__version__ for m in (transformers, tokenizers, PIL)}))


def tokenize(model, texts, out):
    """Ids by the fast tokenizer, and by the slow one where this version of transformers has one."""
    from transformers import AutoTokenizer

    texts = [whole_characters(text) for text in read_json(texts)]
    fast = AutoTokenizer.from_pretrained(model, local_files_only=True)
    slow = AutoTokenizer.from_pretrained(model, local_files_only=True, use_fast=False)
    kinds = {"fast": fast} if slow.is_fast else {"fast": fast, "slow": slow}
    limit = fast.model_max_length if fast.model_max_length < 10**9 else 512
    result = {}
    for name, tokenizer in kinds.items():
        result[name] = [tokenizer(text, truncation=True, max_length=limit)["input_ids"] for text in texts]
    Path(out).write_text(json.dumps({"mask": fast.mask_token, "limit": limit, "ids": result}))


def processor_of(model):
    """The processor on Pillow, whatever else is installed."""
    config = read_json(Path(model) / "preprocessor_config.json")
    kind = config["image_processor_type"].removesuffix("Fast").removesuffix("Pil")
    import importlib

    family = kind.removesuffix("ImageProcessor").lower()
    package = f"transformers.models.{family}"
    try:  # transformers 5
        module = importlib.import_module(f"{package}.image_processing_pil_{family}")
        return getattr(module, f"{kind}Pil")(**config)
    except ModuleNotFoundError:  # transformers 4
        module = importlib.import_module(f"{package}.image_processing_{family}")
        return getattr(module, kind)(**config)


def pixels(model, images, out):
    import numpy
    from PIL import Image

    processor = processor_of(model)
    parts = []
    for image in read_json(images):
        if "rgb" in image:
            data = numpy.fromfile(image["rgb"], numpy.uint8).reshape(image["height"], image["width"], 3)
            picture = Image.fromarray(data)
        else:
            picture = Image.open(image["path"]).convert("RGB")
        values = processor(picture, return_tensors="np")["pixel_values"][0]
        parts.append(values.transpose(1, 2, 0).astype("<f4").reshape(-1))
    numpy.concatenate(parts).tofile(out)


def train_bpe(folder):
    """A byte-level BPE of 2,000 pieces from generated words; its mask takes the space before it, as RoBERTa's does."""
    from tokenizers import ByteLevelBPETokenizer
    from transformers import AddedToken, RobertaTokenizer, RobertaTokenizerFast

    draw = random.Random(0)
    syllables = [a + b for a in "b d f g k l m n p r s t th sh st".split() for b in "a e i o u ay ee or".split()]
    words = ["".join(draw.choices(syllables, k=draw.choice([1, 2, 2, 3]))) for _ in range(3000)]
    ends = [".", "!", "?", " :)", " \U0001f600", ""]
    texts = [" ".join(draw.choices(words, k=12)).capitalize() + draw.choice(ends) for _ in range(4000)]
    trained = ByteLevelBPETokenizer()
    special = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
    trained.train_from_iterator(texts, vocab_size=2000, special_tokens=special, show_progress=False)
    Path(folder).mkdir(parents=True, exist_ok=True)
    trained.save_model(str(folder))
    mask = AddedToken("<mask>", lstrip=True, special=True)
    kind = RobertaTokenizer if RobertaTokenizer is RobertaTokenizerFast else RobertaTokenizerFast
    kind.from_pretrained(folder, mask_token=mask, model_max_length=512).save_pretrained(folder)


def words_like_texts():
    draw = random.Random(0)
    syllables = [a + b for a in "b d g k l m n p r s t th".split() for b in "a e i o u ay".split()]
    words = ["".join(draw.choices(syllables, k=draw.choice([1, 2, 2, 3]))) for _ in range(300)]
    return [" ".join(draw.choices(words + ["good", "bad", "day", "it's"], k=10)) for _ in range(500)]


def train_tower(kind, folder):
    """The layouts of `CLIPConverter` and `GemmaConverter` of transformers, and of SigLIP's file, with a few hundred pieces."""
    from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers, processors, trainers

    if kind == "clip":
        first, last, pad, unknown = "<|startoftext|>", "<|endoftext|>", "<|endoftext|>", "<|endoftext|>"
        tokenizer = Tokenizer(models.BPE(continuing_subword_prefix="", end_of_word_suffix="</w>", unk_token=unknown))
        tokenizer.normalizer = normalizers.Sequence(
            [normalizers.NFC(), normalizers.Replace(Regex(r"\s+"), " "), normalizers.Lowercase()]
        )
        pattern = r"""'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+"""
        tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
            [
                pre_tokenizers.Split(Regex(pattern), behavior="removed", invert=True),
                pre_tokenizers.ByteLevel(add_prefix_space=False),
            ]
        )
        alphabet = pre_tokenizers.ByteLevel.alphabet()
        special = [first, last]
        trainer = trainers.BpeTrainer(vocab_size=700, special_tokens=special, initial_alphabet=alphabet,
                                      end_of_word_suffix="</w>", show_progress=False)
    elif kind == "gemma":
        first, last, pad, unknown = None, "<eos>", "<pad>", "<unk>"
        tokenizer = Tokenizer(models.BPE(byte_fallback=True, fuse_unk=True, unk_token=unknown))
        tokenizer.normalizer = normalizers.Replace(" ", "\u2581")
        tokenizer.pre_tokenizer = pre_tokenizers.Split(" ", "merged_with_previous")
        special = [pad, last, "<bos>", unknown, *(f"<0x{byte:02X}>" for byte in range(256))]
        trainer = trainers.BpeTrainer(vocab_size=600, special_tokens=special, show_progress=False)
    else:
        first, last, pad, unknown = None, "</s>", "</s>", "<unk>"
        tokenizer = Tokenizer(models.Unigram())
        tokenizer.normalizer = normalizers.Sequence(
            [
                normalizers.Lowercase(),
                normalizers.Replace(Regex(r"[!\"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~]"), ""),
                normalizers.Replace(Regex(r"\s+"), " "),
                normalizers.Strip(),
            ]
        )
        tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="always")
        special = [pad, unknown]
        trainer = trainers.UnigramTrainer(vocab_size=300, special_tokens=special, unk_token=unknown, show_progress=False)
    tokenizer.train_from_iterator(words_like_texts(), trainer)
    if kind == "gemma":  # bytes are pieces, not tokens that stand in a text
        parsed = json.loads(tokenizer.to_str())
        parsed["added_tokens"] = [each for each in parsed["added_tokens"] if not each["content"].startswith("<0x")]
        tokenizer = Tokenizer.from_str(json.dumps(parsed))
    template = " ".join([*([first] if first else []), "$A", last])
    ids = [(token, tokenizer.token_to_id(token)) for token in (first, last) if token]
    if kind == "clip":
        tokenizer.post_processor = processors.RobertaProcessing(
            ids[1], ids[0], add_prefix_space=False, trim_offsets=False
        )
    else:
        tokenizer.post_processor = processors.TemplateProcessing(
            single=template, pair=f"{template} $B:1 {last}:1", special_tokens=ids
        )
    Path(folder).mkdir(parents=True, exist_ok=True)
    tokenizer.save(str(Path(folder) / "tokenizer.json"), pretty=False)
    config = {"pad_token": pad, "unk_token": unknown, "eos_token": last, "model_max_length": 64}
    config |= {"tokenizer_class": "PreTrainedTokenizerFast", **({"bos_token": first} if first else {})}
    (Path(folder) / "tokenizer_config.json").write_text(json.dumps(config))


COMMANDS = {
    "versions": versions,
    "tokenize": tokenize,
    "pixels": pixels,
    "train-bpe": train_bpe,
    "train-tower": train_tower,
}

if __name__ == "__main__":
    if len(sys.argv) < 2 or sys.argv[1] not in COMMANDS:
        sys.exit(__doc__)
    COMMANDS[sys.argv[1]](*sys.argv[2:])
