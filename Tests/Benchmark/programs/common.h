/* Functions for the programs of the benchmark: an exit with a message, the clock, and hiredis, where every failure ends
 * the program. */
#ifndef BENCHMARK_COMMON_H
#define BENCHMARK_COMMON_H

#include <errno.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

__attribute__((noreturn, format(printf, 1, 2))) static inline void fail(const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  vfprintf(stderr, format, arguments);
  va_end(arguments);
  fputc('\n', stderr);
  exit(1);
}

static inline int64_t nanoseconds(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

#ifdef BENCHMARK_HIREDIS
#include <hiredis/hiredis.h>

static inline redisContext *connect_to(const char *port) {
  redisContext *redis = redisConnect("127.0.0.1", atoi(port));
  if (!redis || redis->err) fail("no connection to port %s: %s", port, redis ? redis->errstr : "out of memory");
  return redis;
}

/* Returns the next reply; an error ends the program. The caller frees it. */
static inline redisReply *reply_of(redisContext *redis) {
  void *reply;
  if (redisGetReply(redis, &reply) != REDIS_OK) fail("%s", redis->errstr);
  if (((redisReply *)reply)->type == REDIS_REPLY_ERROR) fail("%s", ((redisReply *)reply)->str);
  return reply;
}

static inline void drop_replies(redisContext *redis, size_t count) {
  for (size_t at = 0; at < count; at++) freeReplyObject(reply_of(redis));
}

/* Writes what was appended, without waiting for anything. */
static inline void send_all(redisContext *redis) {
  int done = 0;
  while (!done)
    if (redisBufferWrite(redis, &done) != REDIS_OK) fail("%s", redis->errstr);
}
#endif
#endif
