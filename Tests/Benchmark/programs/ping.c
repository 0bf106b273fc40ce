/* The neighbour: another client of the server, which sends PING at even intervals until its standard input ends, then
 * prints `count median p99 longest`, in microseconds, of its waits for the replies.
 *
 *     ping PORT RATE        RATE: PINGs a second
 *
 * While it waits for a reply, it sends no PING. The PINGs that it would have sent are counted with the waits that they
 * would have had (the correction of HdrHistogram). Otherwise a server that stops for a second would be counted once. */
#define _GNU_SOURCE
#define BENCHMARK_HIREDIS
#include "common.h"

#include <poll.h>
#include <sys/prctl.h>

static int ascending(const void *a, const void *b) {
  int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
  return (x > y) - (x < y);
}

int main(int count, char **arguments) {
  if (count != 3 || atoi(arguments[2]) < 1) fail("usage: ping PORT RATE");
  redisContext *redis = connect_to(arguments[1]);
  int64_t interval = 1000000000 / atoi(arguments[2]);
  size_t taken = 0, capacity = 1 << 20;
  int64_t *delays = malloc(capacity * sizeof *delays);
  if (!delays) fail("out of memory");
  /* By default, Linux lets a sleep last 50 microseconds longer. */
  prctl(PR_SET_TIMERSLACK, 1);
  struct pollfd input = {.fd = 0, .events = POLLIN};
  puts("ready");
  fflush(stdout);
  int64_t due = nanoseconds();
  while (taken < capacity && poll(&input, 1, 0) == 0) {
    int64_t asked = nanoseconds();
    redisAppendCommand(redis, "PING");
    freeReplyObject(reply_of(redis));
    int64_t answered = nanoseconds(), delay = answered - asked;
    for (int64_t felt = delay; felt == delay || felt > 0; felt -= interval)
      if (taken < capacity) delays[taken++] = felt;
    do due += interval;
    while (due <= answered);
    clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME,
                    &(struct timespec){.tv_sec = due / 1000000000, .tv_nsec = due % 1000000000}, NULL);
  }
  if (!taken) fail("no time for one PING");
  qsort(delays, taken, sizeof *delays, ascending);
  printf("%zu %.0f %.0f %.0f\n", taken, delays[taken / 2] / 1e3, delays[taken - 1 - taken / 100] / 1e3,
         delays[taken - 1] / 1e3);
  return 0;
}
