#include "tape.h"

#include <stdlib.h>
#include <string.h>

/* The most memory that a tape keeps between exchanges. A page of an export fits. The memory for a reply with a
 * key of 200 MB is freed. */
enum { KEPT_BYTES = 4 << 20 };

void mneme_tape_init(mneme_tape *tape, size_t limit) {
  memset(tape, 0, sizeof *tape);
  tape->limit = limit < UINT32_MAX ? limit : UINT32_MAX;
}

void mneme_tape_reset(mneme_tape *tape) {
  size_t held = tape->node_capacity * sizeof *tape->nodes + tape->arena_capacity
                + tape->root_capacity * sizeof *tape->roots;
  if (held > KEPT_BYTES) {
    size_t limit = tape->limit;
    mneme_tape_free(tape);
    mneme_tape_init(tape, limit);
    return;
  }
  tape->node_count = tape->arena_count = tape->root_count = 0;
  tape->full = false;
}

void mneme_tape_free(mneme_tape *tape) {
  free(tape->nodes);
  free(tape->arena);
  free(tape->roots);
  memset(tape, 0, sizeof *tape);
}

/* Room for `more` elements behind `count`, doubling. False leaves everything as it was. */
static bool reserve(void **memory, size_t *capacity, size_t count, size_t more, size_t size, size_t least) {
  if (*capacity - count >= more) return true;
  size_t wanted = *capacity ? *capacity * 2 : least;
  if (wanted < count + more) wanted = count + more;
  void *grown = realloc(*memory, wanted * size);
  if (!grown) return false;
  *memory = grown;
  *capacity = wanted;
  return true;
}

static bool within_limit(mneme_tape *tape, size_t nodes, size_t bytes) {
  size_t used = tape->node_count * sizeof *tape->nodes + tape->arena_count;
  size_t more = nodes * sizeof *tape->nodes + bytes;
  if (more <= tape->limit && used <= tape->limit - more) return true;
  tape->full = true;
  return false;
}

mneme_node *mneme_tape_append(mneme_tape *tape, mneme_kind kind, int64_t value, size_t length) {
  if (!within_limit(tape, 1, 0)) return NULL;
  if (!reserve((void **)&tape->nodes, &tape->node_capacity, tape->node_count, 1, sizeof *tape->nodes, 64))
    return NULL;
  mneme_node *node = &tape->nodes[tape->node_count++];
  *node = (mneme_node){
      .value = value, .length = (uint32_t)length, .end = (uint32_t)tape->node_count, .kind = kind};
  return node;
}

mneme_node *mneme_tape_append_bytes(mneme_tape *tape, mneme_kind kind, const char *bytes, size_t count) {
  if (!within_limit(tape, 1, count)) return NULL;
  if (!reserve((void **)&tape->arena, &tape->arena_capacity, tape->arena_count, count, 1, 1024)) return NULL;
  mneme_node *node = mneme_tape_append(tape, kind, (int64_t)tape->arena_count, count);
  if (!node) return NULL;
  if (count) memcpy(tape->arena + tape->arena_count, bytes, count);
  tape->arena_count += count;
  return node;
}

bool mneme_tape_append_root(mneme_tape *tape, size_t node) {
  if (!reserve((void **)&tape->roots, &tape->root_capacity, tape->root_count, 1, sizeof *tape->roots, 16))
    return false;
  tape->roots[tape->root_count++] = (uint32_t)node;
  return true;
}

bool mneme_tape_append_null(mneme_tape *tape) {
  return mneme_tape_append(tape, MNEME_NULL, 0, 0) && mneme_tape_append_root(tape, tape->node_count - 1);
}

bool mneme_tape_append_copy(mneme_tape *tape, const mneme_tape *other, size_t from) {
  size_t first = tape->node_count;
  for (size_t index = from; index < other->nodes[from].end; index++) {
    const mneme_node *node = &other->nodes[index];
    bool bytes = node->kind == MNEME_STRING || node->kind == MNEME_STATUS || node->kind == MNEME_ERROR;
    mneme_node *copy =
        bytes ? mneme_tape_append_bytes(tape, node->kind, other->arena + node->value, node->length)
              : mneme_tape_append(tape, node->kind, node->value, node->length);
    if (!copy) return false;
    copy->end = (uint32_t)(first + (node->end - from));
  }
  return mneme_tape_append_root(tape, first);
}
