/* A check of the framing of a RESP2 stream before hiredis parses it.
 *
 * hiredis 0.14 searches an unfinished line from its beginning again with every chunk, accepts numbers that
 * are not valid, does not check the bytes after a string, and accepts lengths that do not fit into memory.
 * This walks over the bytes once, skips the inside of strings, and stops at the first byte that a Redis
 * server would not send, so that a broken or hostile peer costs neither memory nor time. */
#ifndef MNEME_FRAMING_H
#define MNEME_FRAMING_H

#include "CHiredis.h"

#ifdef MNEME_REDIS

/* Arrays in arrays; hiredis 0.14 stops at 7 too. COMMAND, the deepest answer of Redis, has 5. */
enum { MNEME_MAX_DEPTH = 7 };

/* The longest status or error. The errors of Redis are under 1 KiB. */
enum { MNEME_MAX_LINE = 64 << 10 };

typedef struct mneme_framing {
  enum { AT_TYPE, IN_TEXT, IN_NUMBER, IN_STRING, AT_STRING_CR, AT_LF } state;
  char type;
  bool negative;
  int digits;
  uint64_t number;                  /* being read; later what is left of a string */
  size_t line;                      /* bytes of the status or error so far */
  int depth;                        /* arrays that are open */
  uint64_t left[MNEME_MAX_DEPTH];   /* elements that each still lacks */
  size_t complete;                  /* replies that have ended */
} mneme_framing;

/* Walks over the bytes. Stops after reply number `wanted`, or at a fault.
 * Returns the number of bytes that are in order. */
size_t mneme_framing_check(mneme_framing *framing, const char *bytes, size_t count, size_t wanted,
                           size_t limit, mneme_fault *fault);

#endif
#endif
