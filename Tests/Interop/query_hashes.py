"""The Python library's query hash of every code point, alone and inside a word, for a test to compare with.

Writes to the given file, for each code point that is not a surrogate and in their order, 33 characters: the first
16 digits of either hash, then 1 where this Python's Unicode knows the code point, else 0. Prints the version of that
Unicode.
"""

import sys
import unicodedata

from mneme._normalize import hash_query, normalize

WORD = "wO{}Rd"


def short_hash(text):
    return hash_query(normalize(text))[:16]


with open(sys.argv[1], "w", encoding="ascii") as file:
    for point in (*range(0xD800), *range(0xE000, 0x110000)):
        character = chr(point)
        is_known = unicodedata.category(character) != "Cn"
        file.write(short_hash(character) + short_hash(WORD.format(character)) + "01"[is_known])
print(unicodedata.unidata_version)
