/* The bound of `vacuum`: removes expired entries with the same deletions, and trusts what it has read. It watches
 * nothing, checks no types, and does not read whether an entry has really expired.
 *
 *     expire PORT PREFIX NOW
 *
 * The transaction for one page is sent together with the reads of the fields of the next and of the ids of the
 * one after, so that there is one round trip for each 64 entries. Prints the number of removed entries. */
#define BENCHMARK_HIREDIS
#include "common.h"

enum { PAGE = 64, WORDS = 4 * PAGE + 8 };

static const char *prefix;
static redisContext *redis;

/* A command that is put together word by word. */
static struct {
  char text[WORDS][256];
  const char *words[WORDS];
  size_t lengths[WORDS];
  int count;
} command;

__attribute__((format(printf, 1, 2))) static void word(const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  int length = vsnprintf(command.text[command.count], sizeof command.text[0], format, arguments);
  va_end(arguments);
  command.words[command.count] = command.text[command.count];
  command.lengths[command.count++] = (size_t)length;
}

static void append(void) {
  redisAppendCommandArgv(redis, command.count, command.words, command.lengths);
  command.count = 0;
}

static void ask_for_ids(const char *now, size_t offset) {
  redisAppendCommand(redis, "ZRANGEBYSCORE %s:by_ttl -inf %s LIMIT %d %d", prefix, now, (int)offset, PAGE);
}

static void ask_for_fields(const redisReply *ids) {
  for (size_t at = 0; at < ids->elements; at++)
    redisAppendCommand(redis, "HMGET %s:entry:%s namespace query_hash", prefix, ids->element[at]->str);
}

static int same_namespace(const redisReply *a, const redisReply *b) {
  return !strcmp(a->element[0]->str, b->element[0]->str);
}

/* Sends the commands for one page; returns their number. */
static size_t remove_page(const redisReply *ids, redisReply **fields) {
  size_t count = ids->elements, sent = 6;
  redisAppendCommand(redis, "MULTI");
  word("UNLINK");
  for (size_t at = 0; at < count; at++) word("%s:entry:%s", prefix, ids->element[at]->str);
  for (size_t at = 0; at < count; at++)
    word("%s:hash:%s:%s", prefix, fields[at]->element[0]->str, fields[at]->element[1]->str);
  append();
  word("ZREM");
  word("%s:by_id", prefix);
  for (size_t at = 0; at < count; at++) word("%s", ids->element[at]->str);
  append();
  word("ZREM");
  word("%s:by_ttl", prefix);
  for (size_t at = 0; at < count; at++) {
    word("%s", ids->element[at]->str);
    word("%s|%s", fields[at]->element[0]->str, ids->element[at]->str); /* as the Python library writes it */
  }
  append();
  for (size_t first = 0; first < count; first++) {
    size_t earlier = 0;
    while (earlier < first && !same_namespace(fields[earlier], fields[first])) earlier++;
    if (earlier < first) continue;
    const char *namespace = fields[first]->element[0]->str;
    int going = 0;
    word("ZREM");
    word("%s:lru:%s", prefix, namespace);
    for (size_t at = first; at < count; at++)
      if (same_namespace(fields[at], fields[first])) word("%s", ids->element[at]->str), going++;
    append();
    redisAppendCommand(redis, "HINCRBY %s:counters:%s expirations %d", prefix, namespace, going);
    redisAppendCommand(redis, "HSET %s:meta counted:%s 1", prefix, namespace);
    sent += 3;
  }
  redisAppendCommand(redis, "INCRBY %s:version %d", prefix, (int)count);
  redisAppendCommand(redis, "EXEC");
  return sent;
}

int main(int count, char **arguments) {
  if (count != 4) fail("usage: expire PORT PREFIX NOW");
  redis = connect_to(arguments[1]);
  prefix = arguments[2];
  const char *now = arguments[3];
  redisReply *ids, *next, *fields[PAGE];
  size_t removed = 0;
  ask_for_ids(now, 0);
  ids = reply_of(redis);
  ask_for_fields(ids);
  ask_for_ids(now, PAGE);
  for (;;) {
    for (size_t at = 0; at < ids->elements; at++) fields[at] = reply_of(redis);
    next = reply_of(redis);
    if (!ids->elements) break;
    size_t sent = remove_page(ids, fields);
    ask_for_fields(next);
    ask_for_ids(now, next->elements);
    for (size_t at = 0; at < ids->elements; at++) freeReplyObject(fields[at]);
    drop_replies(redis, sent);
    removed += ids->elements;
    freeReplyObject(ids);
    ids = next;
  }
  printf("%zu\n", removed);
  return 0;
}
