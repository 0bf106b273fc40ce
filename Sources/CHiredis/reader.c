#include "framing.h"
#include "tape.h"

#ifdef MNEME_REDIS

#include <hiredis/hiredis.h>
#include <stdlib.h>

#if HIREDIS_MAJOR >= 1
typedef size_t element_count;
#else
typedef int element_count;
#endif

struct mneme_reader {
  redisReader *parser;
  mneme_tape *tape;
  mneme_framing framing;
};

/* hiredis moves what it has not parsed yet to the front of its buffer whenever it has used up 1 KiB. With all
 * of a large read in that buffer the moves would cost more than the parsing. */
enum { SLICE = 16 << 10 };

/* The most that hiredis may keep of an emptied buffer. It frees its default of 16 KiB, and would allocate them
 * again for every slice. */
enum { KEPT_BUFFER = 1 << 20 };

/* hiredis takes null for out of memory, so a node's handle is its index and one. */
static void *handle(const mneme_tape *tape) { return (void *)(uintptr_t)tape->node_count; }
static size_t node_index(const void *handle) { return (uintptr_t)handle - 1; }

/* The node has just been appended: every array that is open around it now ends behind it. */
static void *finish(const redisReadTask *task, const mneme_node *node) {
  if (!node) return NULL;
  mneme_tape *tape = task->privdata;
  for (const redisReadTask *outer = task->parent; outer; outer = outer->parent)
    tape->nodes[node_index(outer->obj)].end = (uint32_t)tape->node_count;
  return handle(tape);
}

static void *create_string(const redisReadTask *task, char *bytes, size_t count) {
  mneme_kind kind = task->type == REDIS_REPLY_ERROR    ? MNEME_ERROR
                    : task->type == REDIS_REPLY_STATUS ? MNEME_STATUS
                                                       : MNEME_STRING;
  return finish(task, mneme_tape_append_bytes(task->privdata, kind, bytes, count));
}

static void *create_array(const redisReadTask *task, element_count count) {
  return finish(task, mneme_tape_append(task->privdata, MNEME_ARRAY, 0, (size_t)count));
}

static void *create_integer(const redisReadTask *task, long long value) {
  return finish(task, mneme_tape_append(task->privdata, MNEME_INTEGER, value, 0));
}

static void *create_null(const redisReadTask *task) {
  return finish(task, mneme_tape_append(task->privdata, MNEME_NULL, 0, 0));
}

static void free_nothing(void *handle) { (void)handle; }

static redisReplyObjectFunctions functions = {
    .createString = create_string,
    .createArray = create_array,
    .createInteger = create_integer,
    .createNil = create_null,
    .freeObject = free_nothing,
};

mneme_reader *mneme_reader_new(mneme_tape *tape) {
  mneme_reader *reader = calloc(1, sizeof *reader);
  if (!reader) return NULL;
  reader->parser = redisReaderCreateWithFunctions(&functions);
  if (!reader->parser) {
    free(reader);
    return NULL;
  }
  reader->parser->maxbuf = KEPT_BUFFER;
  mneme_reader_use(reader, tape);
  return reader;
}

void mneme_reader_free(mneme_reader *reader) {
  if (!reader) return;
  redisReaderFree(reader->parser);
  free(reader);
}

void mneme_reader_use(mneme_reader *reader, mneme_tape *tape) {
  reader->tape = tape;
  reader->parser->privdata = tape;
  reader->framing.complete = tape->root_count;
}

/* The parser is not called after the last reply, because it would begin the next one, on a tape that may not
 * exist any more when that arrives. */
static mneme_fault feed_slice(mneme_reader *reader, const char *bytes, size_t count, size_t wanted) {
  redisReader *parser = reader->parser;
  mneme_tape *tape = reader->tape;
  if (redisReaderFeed(parser, bytes, count) != REDIS_OK) return MNEME_FAULT_MEMORY;
  while (tape->root_count < wanted) {
    void *reply = NULL;
    if (redisReaderGetReply(parser, &reply) != REDIS_OK) {
      if (tape->full) return MNEME_FAULT_SIZE;
      return parser->err == REDIS_ERR_OOM ? MNEME_FAULT_MEMORY : MNEME_FAULT_HIREDIS;
    }
    if (!reply) return MNEME_FAULT_NONE;
    if (!mneme_tape_append_root(tape, node_index(reply))) return MNEME_FAULT_MEMORY;
  }
  return MNEME_FAULT_NONE;
}

mneme_fault mneme_reader_feed(
    mneme_reader *reader, const char *bytes, size_t count, size_t wanted, size_t *at) {
  mneme_fault fault;
  size_t sound = mneme_framing_check(&reader->framing, bytes, count, wanted, reader->tape->limit, &fault);
  *at = sound;
  if (fault) return fault;
  if (sound < count) return MNEME_FAULT_SURPLUS;
  for (size_t done = 0; done < count;) {
    size_t slice = count - done < SLICE ? count - done : SLICE;
    fault = feed_slice(reader, bytes + done, slice, wanted);
    if (fault) return fault;
    done += slice;
  }
  return MNEME_FAULT_NONE;
}

#endif
