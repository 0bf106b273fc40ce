#!/usr/bin/env python3
"""mneme:hashed-ngrams-v1:dim384, written a second time from the definition in HashedNgramEmbedder.swift.

A test compares the two byte for byte. Reads texts as JSON strings, one a line, and prints the 384 float32
numbers of each as little-endian hexadecimal, one a line. Needs nothing but Python 3.
"""

import json
import math
import struct
import sys

DIMENSION = 384
SCALE = 1024
MASK = (1 << 64) - 1

FILLER = """
    a an the i me my im ive you your we our it its this that thes thos
    pleas pls hi hello hey dear thank just also then than too very really so som any oh ok
    der das den dem ein einen einem einer ich mein meinen meiner mir mich du sie wir ihr
    le la les un une je mon ma mes vous nous el una mi tu su il lo gli uno mio mia os um uma meu minha
    het een ik mijn
"""
LIGHT = """
    is are am be been being was wer do doe did doing hav has had
    wil would can could should may might shal must ther what how becaus
    of to in on at for with from by and or but as if into about through dur up
    want lik need tel let know help try wish wonder look question ask explain
    und oder ist sind kan wie zu zum zur auf für mit von vom bei
    de des et ou est au aux sur avec dan que qui ce cet del al y o se por para con como puedo
    di della dei che per posso da dos em op te voor met dat zijn wat hoe
"""
MEDIUM = """
    which who whom whos when wher why
    get use mak go giv com say think find show abl way possibl her now already stil yet again
    he she they them his him their us
"""
NEGATED = """
    cant can cannot can dont do didnt did doesnt does isnt is arent are wasnt was werent were aint is
    wont will wouldnt would couldnt could shouldnt should mustnt must neednt need
    havent have hasnt has hadnt had
"""
IRREGULAR = """
    used use using use going go goes go went go gone go done do forgot forget forgotten forget lost lose
    sent send bought buy paid pay took take taken take made make stole steal stolen steal got get gotten get
    came come found find broke break broken break kept keep told tell chose choose chosen choose wrote write
    written write gave give given give spent spend knew know known know saw see seen see began begin
    begun begin held hold withdrew withdraw withdrawn withdraw froze freeze frozen freeze thought think
    sold sell brought bring understood understand felt feel said say became become ran run hid hide
    hidden hide shown show
"""


def pairs(text):
    words = text.split()
    return dict(zip(words[::2], words[1::2]))


NEGATED, IRREGULAR = pairs(NEGATED), pairs(IRREGULAR)

LETTER, SYMBOL, PAIRED, QUADRUPLE, SEPARATOR = "letter", "symbol", 2, 4, "separator"
RANGES = [
    (0x30, 0x39, LETTER),
    (0x61, 0x7A, LETTER),
    (0x00, 0xA1, SEPARATOR),
    (0xA2, 0xA5, SYMBOL),
    (0xA6, 0xBF, SEPARATOR),
    (0xD7, 0xD7, SYMBOL),
    (0xF7, 0xF7, SYMBOL),
    (0x0E00, 0x0EFF, QUADRUPLE),
    (0x1000, 0x109F, QUADRUPLE),
    (0x1780, 0x17FF, QUADRUPLE),
    (0x2000, 0x206F, SEPARATOR),
    (0x20A0, 0x20CF, SYMBOL),
    (0x2190, 0x2BFF, SYMBOL),
    (0x3000, 0x303F, SEPARATOR),
    (0x2E80, 0xA4CF, PAIRED),
    (0xF900, 0xFAFF, PAIRED),
    (0xFE00, 0xFE6F, SEPARATOR),
    (0xFF00, 0xFF0F, SEPARATOR),
    (0xFF1A, 0xFF20, SEPARATOR),
    (0x1F000, 0x1FAFF, SYMBOL),
    (0x20000, 0x3FFFF, PAIRED),
]


def kind(character):
    if character in "#$%*+<=>^~":
        return SYMBOL
    for first, last, kind in RANGES:
        if first <= ord(character) <= last:
            return kind
    return LETTER


def pieces(text):
    """The text as (kind, run) in order, separators left out."""
    runs = []
    current = SEPARATOR
    for index, character in enumerate(text):
        here = kind(character)
        if character in "'\u2019" and current == LETTER and index + 1 < len(text) and kind(text[index + 1]) == LETTER:
            runs[-1][1] += "'"
            continue
        if here == SYMBOL or (here != SEPARATOR and here != current):
            runs.append([here, ""])
        if here != SEPARATOR:
            runs[-1][1] += character
        current = here
    return runs


def words(text):
    found = []
    for kind, run in pieces(text):
        if kind in (PAIRED, QUADRUPLE):
            found += [run[i : i + kind] for i in range(max(1, len(run) - kind + 1))]
        elif kind == SYMBOL:
            found.append(run)
        else:
            parts = run.split("'")
            if len(parts) > 1 and parts[-1] in ("s", "m", "d", "ll", "re", "ve"):
                parts.pop()
            elif len(parts) > 1 and parts[-1] == "t":
                parts[-2:] = [parts[-2] + "t"]
            for part in parts:
                found += [NEGATED[part], "not"] if part in NEGATED else [part]
    return found


def stem(word):
    word = IRREGULAR.get(word, word)
    if len(word) < 4 or not all("a" <= c <= "z" for c in word):
        return word
    if len(word) > 4 and word.endswith(("ies", "ied")):
        word = word[:-3] + "y"
    elif word.endswith("s") and not word.endswith(("ss", "us", "is")):
        word = word[:-1]
    for suffix in ("ing", "ed"):
        rest = word[: -len(suffix)]
        if word.endswith(suffix) and len(rest) >= 3 and set(rest) & set("aeiouy") and not word.endswith("eed"):
            word = rest
            break
    if len(word) > 3 and word[-1] == "e":
        word = word[:-1]
    if len(word) > 3 and word[-1] == word[-2]:
        word = word[:-1]
    if len(word) > 4 and word.endswith("is"):
        word = word[:-1] + "z"
    if len(word) > 4 and word.endswith("our"):
        word = word[:-3] + "or"
    return word


FILLER, LIGHT, MEDIUM = (set(text.split()) for text in (FILLER, LIGHT, MEDIUM))


def weight(stemmed):
    return 1 if stemmed in FILLER or stemmed in LIGHT else 2 if stemmed in MEDIUM else 3


def fnv1a(data):
    value = 0xCBF29CE484222325
    for byte in data:
        value = ((value ^ byte) * 0x100000001B3) & MASK
    return value


def fmix64(value):
    value ^= value >> 33
    value = (value * 0xFF51AFD7ED558CCD) & MASK
    value ^= value >> 33
    value = (value * 0xC4CEB9FE1A85EC53) & MASK
    return value ^ (value >> 33)


def sums(text):
    text = "".join(chr(ord(c) + 32) if "A" <= c <= "Z" else c for c in text)
    vector = [0] * DIMENSION

    def add(key, amount):
        value = fmix64(fnv1a(key.encode("utf-8")))
        for _ in range(4):
            part = value & 0xFFFF
            vector[(part >> 1) * DIMENSION >> 15] += -amount if part & 1 else amount
            value >>= 16

    found = words(text)
    seen = set()
    for word in found:
        if word in seen:
            continue
        seen.add(word)
        stemmed = stem(word)
        heaviness = weight(stemmed) * SCALE
        if word.isascii() and word.isdigit() or kind(word[0]) == SYMBOL:
            add("w" + stemmed, 6 * heaviness)
            continue
        add("w" + stemmed, 4 * heaviness)
        marked = "<" + word + ">"
        grams = [marked[i : i + n] for n in (2, 3, 4) for i in range(len(marked) - n + 1)]
        for gram in grams:
            add("g" + gram, int(5 * heaviness / math.sqrt(len(grams))))
    stems = [stem(word) for word in found]
    stems = [stemmed for stemmed in stems if stemmed not in FILLER]
    seen = set()
    for pair in zip(stems, stems[1:]):
        if "".join(pair) not in seen:
            seen.add("".join(pair))
            add("w" + "".join(pair), (weight(pair[0]) + weight(pair[1])) * SCALE)
    if not found:
        add("t" + text, SCALE)
    return vector


def embed(text):
    vector = sums(text)
    if not any(vector):
        vector[0] = 1
    total = 0.0
    for component in vector:
        total += float(component) * float(component)
    length = math.sqrt(total)
    return struct.pack("<384f", *(component / length for component in vector))


if __name__ == "__main__":
    for line in sys.stdin:
        print(embed(json.loads(line)).hex())
