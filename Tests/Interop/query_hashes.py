"""The Python library's query hash of every code point, alone and inside a word, for a test to compare with.

    query_hashes.py FILE STEP

Writes to the file, for each code point that is not a surrogate and in their order, 33 characters: the first 16 digits
of either hash, then 1 where this Python's Unicode knows the code point, else 0. From U+20000 on it leaves out all but
the multiples of STEP. Prints the version of that Unicode.
"""

import sys
import unicodedata

from mneme._normalize import hash_query, normalize

WORD = "wO{}Rd"


def short_hash(text):
    return hash_query(normalize(text))[:16]


path, step = sys.argv[1], int(sys.argv[2])
with open(path, "w", encoding="ascii") as file:
    for point in (*range(0xD800), *range(0xE000, 0x20000), *range(0x20000, 0x110000, step)):
        character = chr(point)
        is_known = unicodedata.category(character) != "Cn"
        file.write(short_hash(character) + short_hash(WORD.format(character)) + "01"[is_known])
print(unicodedata.unidata_version)
