/* Generates a cache, the same one each time, in the two forms in which it can be filled.
 *
 *     generate ENTRIES DIMENSION NAMESPACES EXPIRED WIRE LINES
 *
 * WIRE is written for `redis-cli --pipe`: a transaction for each entry, as in the layout's document. LINES is written
 * for `mneme import`. Either is left out if it is '-'. EXPIRED says how many entries of every hundred
 * have expired; if it is not 0, all others have a time to live too. The key prefix is `bench`. Only the times
 * depend on the time at which it runs. */
#define _DEFAULT_SOURCE
#include "answers.h"
#include "common.h"

#include <math.h>
#include <sha2.h>

enum { LARGEST_DIMENSION = 4096, SHORTEST_RESPONSE = 300, LONGEST_RESPONSE = 2000 };

static uint64_t state = 88172645463325252u;

/* xorshift64 (Marsaglia, 2003). */
static uint64_t random_bits(void) {
  state ^= state << 13;
  state ^= state >> 7;
  state ^= state << 17;
  return state;
}

static void random_unit_vector(float *vector, int dimension) {
  double squares = 0;
  for (int at = 0; at < dimension; at++) {
    vector[at] = (float)((double)(random_bits() >> 11) / (1ull << 52) - 1);
    squares += (double)vector[at] * vector[at];
  }
  float scale = (float)(1 / sqrt(squares));
  for (int at = 0; at < dimension; at++) vector[at] *= scale;
}

static void base64(const unsigned char *bytes, size_t count, char *text) {
  static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  for (size_t at = 0; at < count; at += 3) {
    size_t rest = count - at;
    uint32_t group = (uint32_t)bytes[at] << 16;
    if (rest > 1) group |= (uint32_t)bytes[at + 1] << 8;
    if (rest > 2) group |= bytes[at + 2];
    *text++ = alphabet[group >> 18];
    *text++ = alphabet[group >> 12 & 63];
    *text++ = rest > 1 ? alphabet[group >> 6 & 63] : '=';
    *text++ = rest > 2 ? alphabet[group & 63] : '=';
  }
  *text = 0;
}

typedef struct entry {
  long id;
  char namespace[32], query[128], hash[SHA256_DIGEST_STRING_LENGTH], response[LONGEST_RESPONSE + 1], metadata[64];
  float embedding[LARGEST_DIMENSION];
  long created, ttl; /* ttl 0: for ever */
} entry;

/* Adds parts until a random length is reached. */
static void make_response(entry *e) {
  size_t wanted = SHORTEST_RESPONSE + random_bits() % (LONGEST_RESPONSE - SHORTEST_RESPONSE + 1);
  size_t length = (size_t)snprintf(e->response, sizeof e->response, "Order %ld, parcel %08lx:", e->id,
                                   (unsigned long)random_bits() & 0xffffffff);
  while (length < wanted) {
    const char *part = answer_parts[random_bits() % (sizeof answer_parts / sizeof *answer_parts)];
    if (length + 2 + strlen(part) > LONGEST_RESPONSE) break;
    length += (size_t)sprintf(e->response + length, "\n\n%s", part);
  }
}

static void make(entry *e, long id, int dimension, int namespaces, int expired, long now) {
  e->id = id;
  snprintf(e->namespace, sizeof e->namespace, "tenant-%ld", id % namespaces + 1);
  /* Lower case and single blanks: what the query is hashed as. */
  snprintf(e->query, sizeof e->query, "where is order %ld, and when will the parcel be delivered?", id);
  SHA256Data((const unsigned char *)e->query, strlen(e->query), e->hash);
  make_response(e);
  snprintf(e->metadata, sizeof e->metadata, "{\"model\": \"large-2\", \"tokens\": %ld}", 40 + id % 60);
  random_unit_vector(e->embedding, dimension);
  int is_expired = id * expired / 100 != (id - 1) * expired / 100;
  e->created = now - (is_expired ? 100000 : 1000);
  e->ttl = expired == 0 ? 0 : is_expired ? 3600 : 31536000;
}

/* One command of `count` words; a binary word is given as an empty one and then written by hand. */
static void command(FILE *wire, int count, ...) {
  va_list words;
  va_start(words, count);
  fprintf(wire, "*%d\r\n", count);
  for (int at = 0; at < count; at++) {
    const char *word = va_arg(words, const char *);
    fprintf(wire, "$%zu\r\n%s\r\n", strlen(word), word);
  }
  va_end(words);
}

static void write_wire(FILE *wire, const entry *e, int dimension) {
  char id[24], created[24], ttl[24] = "", entry_key[64], hash_key[160], lru_key[64];
  snprintf(id, sizeof id, "%ld", e->id);
  snprintf(created, sizeof created, "%ld", e->created);
  if (e->ttl) snprintf(ttl, sizeof ttl, "%ld", e->ttl);
  snprintf(entry_key, sizeof entry_key, "bench:entry:%ld", e->id);
  snprintf(hash_key, sizeof hash_key, "bench:hash:%s:%s", e->namespace, e->hash);
  snprintf(lru_key, sizeof lru_key, "bench:lru:%s", e->namespace);
  command(wire, 1, "MULTI");
  fprintf(wire, "*22\r\n$4\r\nHSET\r\n$%zu\r\n%s\r\n", strlen(entry_key), entry_key);
  const char *fields[] = {"namespace", e->namespace, "query_hash", e->hash, "query", e->query,
                          "response", e->response, "metadata", e->metadata, "created_at", created,
                          "last_accessed_at", created, "ttl", ttl, "access_count", "0"};
  for (size_t at = 0; at < sizeof fields / sizeof *fields; at++)
    fprintf(wire, "$%zu\r\n%s\r\n", strlen(fields[at]), fields[at]);
  fprintf(wire, "$9\r\nembedding\r\n$%d\r\n", dimension * 4);
  fwrite(e->embedding, 4, (size_t)dimension, wire);
  fputs("\r\n", wire);
  command(wire, 3, "SET", hash_key, id);
  command(wire, 4, "ZADD", lru_key, created, id);
  command(wire, 4, "ZADD", "bench:by_id", id, id);
  if (e->ttl) {
    char expires[24];
    snprintf(expires, sizeof expires, "%ld", e->created + e->ttl);
    command(wire, 4, "ZADD", "bench:by_ttl", expires, id);
  }
  command(wire, 3, "SADD", "bench:namespaces", e->namespace);
  command(wire, 2, "INCR", "bench:version");
  command(wire, 1, "EXEC");
}

/* A JSON string, as most writers of JSON write one. */
static void write_string(FILE *lines, const char *text) {
  putc('"', lines);
  for (; *text; text++)
    if (*text == '"' || *text == '\\') fprintf(lines, "\\%c", *text);
    else if (*text == '\n') fputs("\\n", lines);
    else if (*text == '\t') fputs("\\t", lines);
    else putc(*text, lines);
  putc('"', lines);
}

static void write_line(FILE *lines, const entry *e, int dimension, const char *fingerprint) {
  static char vector[LARGEST_DIMENSION * 6];
  base64((const unsigned char *)e->embedding, (size_t)dimension * 4, vector);
  fprintf(lines,
          "{\"id\":%ld,\"namespace\":\"%s\",\"query\":\"%s\",\"query_hash\":\"%s\",\"response\":",
          e->id, e->namespace, e->query, e->hash);
  write_string(lines, e->response);
  fprintf(lines, ",\"metadata\":%s,\"created_at\":%ld,\"last_accessed_at\":%ld,\"ttl\":", e->metadata, e->created,
          e->created);
  if (e->ttl) fprintf(lines, "%ld", e->ttl);
  else fputs("null", lines);
  fprintf(lines, ",\"access_count\":0,\"embedder_fingerprint\":\"%s\",\"embedding\":\"%s\"}\n", fingerprint,
          vector);
}

static FILE *opened(const char *path) {
  if (!strcmp(path, "-")) return NULL;
  FILE *file = fopen(path, "w");
  if (!file) fail("%s: %s", path, strerror(errno));
  return file;
}

int main(int count, char **arguments) {
  if (count != 7) fail("usage: generate ENTRIES DIMENSION NAMESPACES EXPIRED WIRE LINES");
  long entries = atol(arguments[1]), now = (long)time(NULL);
  int dimension = atoi(arguments[2]), namespaces = atoi(arguments[3]), expired = atoi(arguments[4]);
  if (dimension < 1 || dimension > LARGEST_DIMENSION) fail("a dimension from 1 to %d", LARGEST_DIMENSION);
  FILE *wire = opened(arguments[5]), *lines = opened(arguments[6]);
  char fingerprint[64], dimension_text[24], last[24];
  /* The built-in embedder's, where its dimension fits: `put` and `get` then know what to do. */
  if (dimension == 384) strcpy(fingerprint, "mneme:hashed-ngrams-v1:dim384");
  else snprintf(fingerprint, sizeof fingerprint, "benchmark:random:dim%d", dimension);
  snprintf(dimension_text, sizeof dimension_text, "%d", dimension);
  snprintf(last, sizeof last, "%ld", entries);
  static entry e;
  for (long id = 1; id <= entries; id++) {
    make(&e, id, dimension, namespaces, expired, now);
    if (wire) write_wire(wire, &e, dimension);
    if (lines) write_line(lines, &e, dimension, fingerprint);
  }
  if (wire) {
    command(wire, 8, "HSET", "bench:meta", "embedder_fingerprint", fingerprint, "embedder_dim", dimension_text,
            "schema_version", "1");
    command(wire, 3, "SET", "bench:next_id", last);
  }
  if ((wire && fclose(wire)) || (lines && fclose(lines))) fail("writing: %s", strerror(errno));
  return 0;
}
