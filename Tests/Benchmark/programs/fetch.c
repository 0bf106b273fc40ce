/* The bound of all commands that read a cache: reads every entry, in id order, and drops the replies.
 *
 *     fetch PORT PREFIX entries                  HGETALL of every entry
 *     fetch PORT PREFIX embeddings NAMESPACE     HGET embedding of the namespace's entries, in id order
 *
 * Two pages are always on their way, so that the server never waits. Prints the number of entries. */
#define BENCHMARK_HIREDIS
#include "common.h"

enum { PAGE = 128 };

static int ascending(const void *a, const void *b) {
  long long x = *(const long long *)a, y = *(const long long *)b;
  return (x > y) - (x < y);
}

/* The ids of a namespace are in the order of their last access: reads all of them together, and sorts them. */
static long long *ids_of(redisContext *redis, const char *prefix, const char *namespace, size_t *count) {
  if (namespace) redisAppendCommand(redis, "ZRANGE %s:lru:%s 0 -1", prefix, namespace);
  else redisAppendCommand(redis, "ZRANGE %s:by_id 0 -1", prefix);
  redisReply *reply = reply_of(redis);
  *count = reply->elements;
  long long *ids = malloc((*count + 1) * sizeof *ids);
  if (!ids) fail("out of memory");
  for (size_t at = 0; at < *count; at++) ids[at] = atoll(reply->element[at]->str);
  freeReplyObject(reply);
  if (namespace) qsort(ids, *count, sizeof *ids, ascending);
  return ids;
}

int main(int count, char **arguments) {
  if (count < 4) fail("usage: fetch PORT PREFIX entries|embeddings [NAMESPACE]");
  redisContext *redis = connect_to(arguments[1]);
  const char *prefix = arguments[2], *namespace = count > 4 ? arguments[4] : NULL;
  int whole = !strcmp(arguments[3], "entries");
  size_t total;
  long long *ids = ids_of(redis, prefix, namespace, &total);
  size_t asked = 0, answered = 0;
  while (answered < total) {
    while (asked < total && asked - answered < 2 * PAGE) {
      size_t end = asked + PAGE < total ? asked + PAGE : total;
      for (; asked < end; asked++)
        redisAppendCommand(redis, whole ? "HGETALL %s:entry:%lld" : "HGET %s:entry:%lld embedding", prefix,
                           ids[asked]);
      send_all(redis);
    }
    size_t page = total - answered < PAGE ? total - answered : PAGE;
    drop_replies(redis, page);
    answered += page;
  }
  printf("%zu\n", total);
  return 0;
}
