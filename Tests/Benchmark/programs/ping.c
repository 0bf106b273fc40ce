/* What another client of the server feels: sends PING a thousand times a second until its standard input ends,
 * then prints `count median p99 longest` in microseconds.
 *
 *     ping PORT
 *
 * While an answer is awaited no PING is sent that would have waited too. Those are counted with the waits that
 * they would have had (the correction of HdrHistogram), or a server that is away for a second would be felt once. */
#define BENCHMARK_HIREDIS
#include "common.h"

#include <poll.h>

enum { INTERVAL = 1000000 };

static int ascending(const void *a, const void *b) {
  int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
  return (x > y) - (x < y);
}

int main(int count, char **arguments) {
  if (count != 2) fail("usage: ping PORT");
  redisContext *redis = connect_to(arguments[1]);
  size_t taken = 0, capacity = 1 << 20;
  int64_t *delays = malloc(capacity * sizeof *delays);
  if (!delays) fail("out of memory");
  struct pollfd input = {.fd = 0, .events = POLLIN};
  puts("ready");
  fflush(stdout);
  while (taken < capacity && poll(&input, 1, 0) == 0) {
    int64_t asked = nanoseconds();
    redisAppendCommand(redis, "PING");
    freeReplyObject(reply_of(redis));
    int64_t delay = nanoseconds() - asked;
    for (int64_t felt = delay; felt == delay || felt > 0; felt -= INTERVAL)
      if (taken < capacity) delays[taken++] = felt;
    nanosleep(&(struct timespec){.tv_nsec = INTERVAL}, NULL);
  }
  if (!taken) fail("no time for one PING");
  qsort(delays, taken, sizeof *delays, ascending);
  printf("%zu %.0f %.0f %.0f\n", taken, delays[taken / 2] / 1e3, delays[taken - 1 - taken / 100] / 1e3,
         delays[taken - 1] / 1e3);
  return 0;
}
