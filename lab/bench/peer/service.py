"""The same model behind FastAPI: `uvicorn service:app`, with DRF_PEER_MODELS (the path of models.json) and
DRF_PEER_SETTING. Takes what `POST /v1/predict` of `pnpm serve` takes as JSON, and answers label and probabilities."""
import base64
import io
import json
import os

import numpy as np
from fastapi import FastAPI
from PIL import Image
from pydantic import BaseModel

from encoders import Encoders, Head

setting = json.loads(os.environ["DRF_PEER_SETTING"])
with open(os.environ["DRF_PEER_MODELS"]) as file:
    models = json.load(file)
encoders = Encoders(models, setting)
head = Head(models, setting)
app = FastAPI()


class Post(BaseModel):
    text: str | None = None
    image: str | None = None


@app.get("/healthz")
def health():
    return {"status": "ok"}


@app.post("/v1/predict")
def predict(post: Post):  # in a thread of the pool: decoding and sessions let the others run
    features = {"image": np.zeros((1, models["image"]["width"]), "float32")}
    features["text"] = np.zeros((1, models["text"]["width"]), "float32")
    if post.image is not None:
        features["image"] = encoders.image_batch(encoders.pixels(io.BytesIO(base64.b64decode(post.image)))[None])
    if post.text is not None:
        features["text"] = encoders.text_batch([encoders.tokenizer.encode(post.text)])
    given = {f"{name}Available": np.array([getattr(post, name) is not None], "float32") for name in ("image", "text")}
    probabilities = dict(zip(models["labels"], map(float, head({**features, **given})[0])))
    return {"label": max(probabilities, key=probabilities.get), "probabilities": probabilities}


blank = io.BytesIO()
Image.new("RGB", (8, 8)).save(blank, "JPEG")
predict(Post(text="a post", image=base64.b64encode(blank.getvalue())))  # opens both encoders before a request does
