/* Parsing of RESP2 replies with hiredis, into one flat tape.
 *
 * hiredis by itself makes an object of every element of a reply: an export of ten thousand entries would be
 * a quarter of a million small allocations. Here its parser is given functions that append to two growing
 * arrays instead, kept from one exchange to the next. No header of hiredis is included here, so that what
 * imports this module builds without it.
 *
 *   nodes   one per element, in document order:   *2 $3 foo :7   ->   [array 2][string 3][integer 7]
 *   arena   the bytes of all strings, one after another
 *   roots   the index of the first node of each reply
 */
#ifndef CHIREDIS_H
#define CHIREDIS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef enum mneme_kind {
  MNEME_STRING,
  MNEME_STATUS,
  MNEME_ERROR,
  MNEME_INTEGER,
  MNEME_NULL,
  MNEME_ARRAY,
} mneme_kind;

typedef struct mneme_node {
  int64_t value;   /* an integer's value; where a string, status or error begins in the arena */
  uint32_t length; /* bytes of a string, status or error; elements of an array */
  uint32_t end;    /* index of the first node after this one: the next sibling, if any */
  mneme_kind kind;
} mneme_node;

typedef struct mneme_tape {
  mneme_node *nodes;
  size_t node_count, node_capacity;
  char *arena;
  size_t arena_count, arena_capacity;
  uint32_t *roots;
  size_t root_count, root_capacity;
  size_t limit; /* bytes that nodes and arena may hold together, at most UINT32_MAX */
  bool full;    /* the limit was met */
} mneme_tape;

/* An empty tape that holds no memory yet. */
void mneme_tape_init(mneme_tape *tape, size_t limit);

/* Forgets the replies. Keeps the memory for the next ones, unless they were unusually large. */
void mneme_tape_reset(mneme_tape *tape);

void mneme_tape_free(mneme_tape *tape);

/* Appends a null reply. False when out of memory or over the limit. */
bool mneme_tape_append_null(mneme_tape *tape);

/* Copies `node` of another tape, with all that is in it, behind the replies of this one. False when out of
 * memory or over the limit; the tape is then to be reset. */
bool mneme_tape_append_copy(mneme_tape *tape, const mneme_tape *other, size_t node);

/* From here on: only where MNEME_REDIS is defined when this module is compiled. */

typedef enum mneme_fault {
  MNEME_FAULT_NONE,
  MNEME_FAULT_TYPE,     /* a reply that begins with no type of RESP2 */
  MNEME_FAULT_NUMBER,   /* a length or an integer that is not a number, or outside its range */
  MNEME_FAULT_LINE,     /* a status or an error that does not end */
  MNEME_FAULT_ENDING,   /* something else than CR LF */
  MNEME_FAULT_DEPTH,    /* arrays in arrays beyond all that Redis answers */
  MNEME_FAULT_SIZE,     /* more than the tape's limit */
  MNEME_FAULT_MEMORY,   /* out of memory */
  MNEME_FAULT_SURPLUS,  /* more replies than commands were sent */
  MNEME_FAULT_HIREDIS,  /* hiredis refused what passed all checks above */
} mneme_fault;

typedef struct mneme_reader mneme_reader;

/* A reader that appends to `tape`. Null when out of memory. */
mneme_reader *mneme_reader_new(mneme_tape *tape);
void mneme_reader_free(mneme_reader *reader);

/* Replies go to `tape` from now on. Only between replies. */
void mneme_reader_use(mneme_reader *reader, mneme_tape *tape);

/* Parses bytes as they came. A reply that is complete gets its root on the tape; an incomplete one waits for
 * more. At most `wanted` roots in all: bytes behind the last are MNEME_FAULT_SURPLUS.
 *
 * After a fault the reader must not be used any more, and *at is the offset in `bytes` of the byte that was wrong. */
mneme_fault mneme_reader_feed(
    mneme_reader *reader, const char *bytes, size_t count, size_t wanted, size_t *at);

#endif
