/* Functions with which the reader writes a tape. Each returns null or false when out of memory or over the limit. */
#ifndef MNEME_TAPE_H
#define MNEME_TAPE_H

#include "CHiredis.h"

mneme_node *mneme_tape_append(mneme_tape *tape, mneme_kind kind, int64_t value, size_t length);
mneme_node *mneme_tape_append_bytes(mneme_tape *tape, mneme_kind kind, const char *bytes, size_t count);
bool mneme_tape_append_root(mneme_tape *tape, size_t node);

#endif
