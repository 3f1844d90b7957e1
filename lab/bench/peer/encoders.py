"""Posts and frozen encoders in Python as one would write them for speed: Pillow and the fast tokenizers, then PyTorch
(`torch.inference_mode`, a DataLoader with workers) or ONNX Runtime (threads that decode ahead), in one process or several.
`models.json` says what both sides compute with; it is written by the bench."""
import json
import multiprocessing
import os
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from PIL import Image, ImageOps
from tokenizers import Tokenizer


def read_posts(table):
    """Lines of a table as dicts, with the path of the image, or None, in full."""
    folder = os.path.dirname(os.path.abspath(table))
    with open(table, encoding="utf-8") as file:
        posts = [json.loads(line) for line in file]
    return [{**post, "image": post["image"] and os.path.join(folder, post["image"])} for post in posts]


class Pixels:
    """A post's image in bytes [height, width, 3]: laid over white and stretched to the side that posts are held in (as the
    run's card says), then scaled and cropped as the model's preprocessor_config.json says."""

    def __init__(self, model):
        with open(os.path.join(model["folder"], "preprocessor_config.json")) as file:
            config = json.load(file)
        self.side, self.config = model["decodedSize"], config
        self.scale = np.float32(config["rescale_factor"]) / np.array(config["image_std"], "float32")
        self.shift = np.array(config["image_mean"], "float32") / np.array(config["image_std"], "float32")

    def __call__(self, file):
        with Image.open(file) as image:
            image.draft("RGB", (2 * self.side, 2 * self.side))  # a large JPEG is decoded smaller, which is much faster
            image = ImageOps.exif_transpose(image)
            if image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info:
                image = image.convert("RGBA").resize((self.side, self.side), Image.Resampling.LANCZOS)
                image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image).convert("RGB")
            else:
                image = image.convert("RGB").resize((self.side, self.side), Image.Resampling.LANCZOS)
        size = self.config["size"]
        height, width = (size["shortest_edge"],) * 2 if "shortest_edge" in size else (size["height"], size["width"])
        if image.size != (width, height):
            image = image.resize((width, height), self.config["resample"])
        if self.config.get("do_center_crop"):
            crop = self.config["crop_size"]
            top, left = (height - crop["height"]) // 2, (width - crop["width"]) // 2
            image = image.crop((left, top, left + crop["width"], top + crop["height"]))
        return np.asarray(image)

    def normalize(self, images):
        """Bytes [batch, height, width, 3] as float32 [batch, 3, height, width]."""
        return np.ascontiguousarray((images * self.scale - self.shift).transpose(0, 3, 1, 2))


class Files:
    """What a DataLoader reads images from."""

    def __init__(self, files, pixels):
        self.files, self.pixels = files, pixels

    def __len__(self):
        return len(self.files)

    def __getitem__(self, place):
        return self.pixels(self.files[place])


def onnx_session(path, setting):
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = setting["threads"]
    options.add_session_config_entry("session.intra_op.allow_spinning", str(int(setting["policy"] == "ACTIVE")))
    return onnxruntime.InferenceSession(path, options)


class Head:
    """The exported head of the run: probabilities [posts, labels] at the run's temperature."""

    def __init__(self, models, setting):
        self.session, self.exponent = onnx_session(models["head"], setting), 1 / models["temperature"]

    def __call__(self, inputs):
        scaled = self.session.run(["probabilities"], inputs)[0] ** self.exponent
        return scaled / scaled.sum(1, keepdims=True)


class Encoders:
    """Both encoders in this process, opened when first needed. `setting`: backend, threads, batch, workers, policy."""

    def __init__(self, models, setting):
        self.models, self.setting, self.opened = models, setting, {}
        self.pixels = Pixels(models["image"])
        self.tokenizer = Tokenizer.from_file(os.path.join(models["text"]["folder"], "tokenizer.json"))
        self.tokenizer.no_padding()
        self.tokenizer.enable_truncation(models["text"]["tokens"])

    def states(self, modality, inputs):
        """Last hidden states [batch, tokens, width] of named inputs."""
        if self.setting["backend"] == "onnxruntime":
            session = self.opened.get(modality)
            if session is None:
                path = os.path.join(self.models[modality]["folder"], "onnx", "model.onnx")
                session = self.opened[modality] = onnx_session(path, self.setting)
            names = [each.name for each in session.get_inputs()]
            return session.run(["last_hidden_state"], {name: inputs[name] for name in names})[0]
        import torch

        if modality not in self.opened:
            from transformers import AutoModel

            torch.set_num_threads(self.setting["threads"])
            self.opened[modality] = AutoModel.from_pretrained(self.models[modality]["folder"]).eval()
        with torch.inference_mode():
            tensors = {name: torch.from_numpy(each) for name, each in inputs.items()}
            return self.opened[modality](**tensors).last_hidden_state.numpy()

    def feature(self, modality, states, mask):
        model = self.models[modality]
        if model["pooling"] == "cls":
            feature = states[:, 0]
        else:
            feature = (states * mask[:, :, None]).sum(1) / mask.sum(1, keepdims=True)
        return feature / np.linalg.norm(feature, axis=1, keepdims=True) if model["unit"] else feature

    def image_batch(self, images):
        states = self.states("image", {"pixel_values": self.pixels.normalize(images)})
        return self.feature("image", states, np.ones(states.shape[:2], "float32"))

    def text_batch(self, encodings):
        length = max(len(each.ids) for each in encodings)
        ids, mask = (np.zeros((len(encodings), length), "int64") for _ in range(2))
        for row, each in enumerate(encodings):
            ids[row, : len(each.ids)] = each.ids
            mask[row, : len(each.ids)] = 1
        inputs = {"input_ids": ids, "attention_mask": mask, "token_type_ids": np.zeros_like(ids)}
        return self.feature("text", self.states("text", inputs), mask.astype("float32"))

    def image_batches(self, files):
        """Batches of decoded images in order, decoded while the model computes."""
        batch, workers = self.setting["batch"], self.setting["workers"]
        if self.setting["backend"] == "torch":
            from torch.utils.data import DataLoader

            stack = np.stack
            yield from DataLoader(Files(files, self.pixels), batch, num_workers=workers, collate_fn=stack)
        elif workers == 0:
            yield from (np.stack([self.pixels(file) for file in part]) for part in parts_of(files, batch))
        else:
            with ThreadPoolExecutor(workers) as pool:  # Pillow lets other threads run while it decodes
                waiting = []
                for part in parts_of(files, batch):
                    waiting.append([pool.submit(self.pixels, file) for file in part])
                    if len(waiting) > 2:
                        yield np.stack([each.result() for each in waiting.pop(0)])
                yield from (np.stack([each.result() for each in part]) for part in waiting)

    def images(self, files):
        """Features [files, width]."""
        return np.concatenate([self.image_batch(images) for images in self.image_batches(files)])

    def texts(self, texts):
        """Features [texts, width], of texts of one length together."""
        encodings = self.tokenizer.encode_batch(texts)
        order = sorted(range(len(texts)), key=lambda place: len(encodings[place].ids))
        parts = [self.text_batch([encodings[i] for i in part]) for part in parts_of(order, self.setting["batch"])]
        features = np.concatenate(parts)
        features[order] = features.copy()
        return features


def parts_of(items, size):
    return [items[start : start + size] for start in range(0, len(items), size)]


def encode_part(task):
    modality, contents, models, setting = task
    encoders = Encoders(models, setting)
    return encoders.images(contents) if modality == "image" else encoders.texts(contents)


def encode(modality, contents, models, setting):
    """Features of files or texts by as many processes as the setting says, each with every nth content."""
    count = min(setting["processes"], len(contents))
    if count == 1:
        return encode_part((modality, contents, models, setting))
    tasks = [(modality, contents[start::count], models, setting) for start in range(count)]
    with multiprocessing.get_context("spawn").Pool(count) as pool:
        parts = pool.map(encode_part, tasks, chunksize=1)
    features = np.empty((len(contents), parts[0].shape[1]), "float32")
    for start, part in enumerate(parts):
        features[start::count] = part
    return features


def encode_posts(posts, models, setting):
    """Features of posts by modality, zeros where a post lacks it, and 1 or 0 for whether it is there."""
    encoded = {}
    for modality in ("image", "text"):
        places = [place for place, post in enumerate(posts) if post[modality]]
        features = np.zeros((len(posts), models[modality]["width"]), "float32")
        if places:
            features[places] = encode(modality, [posts[place][modality] for place in places], models, setting)
        available = np.zeros(len(posts), "float32")
        available[places] = 1
        encoded[modality] = (features, available)
    return encoded
