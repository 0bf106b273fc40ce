#include "framing.h"

#ifdef MNEME_REDIS

#include <string.h>

/* An element has ended, and with it every array whose last one it was. */
static void end_element(mneme_framing *f) {
  while (f->depth > 0 && --f->left[f->depth - 1] == 0) f->depth--;
  if (f->depth == 0) f->complete++;
  f->state = AT_TYPE;
}

/* The line of a number, a length or a text has ended. */
static mneme_fault end_line(mneme_framing *f, size_t limit) {
  if (f->type == '+' || f->type == '-') return end_element(f), MNEME_FAULT_NONE;
  if (f->digits == 0 || (f->negative && f->number == 0)) return MNEME_FAULT_NUMBER;
  if (f->type == ':') {
    uint64_t most = (uint64_t)INT64_MAX + f->negative;
    if (f->number > most) return MNEME_FAULT_NUMBER;
    return end_element(f), MNEME_FAULT_NONE;
  }
  /* -1 is the null string and the null array; no other length is negative. */
  if (f->negative) {
    if (f->number != 1) return MNEME_FAULT_NUMBER;
    return end_element(f), MNEME_FAULT_NONE;
  }
  if (f->type == '$') {
    if (f->number > limit) return MNEME_FAULT_SIZE;
    f->state = f->number ? IN_STRING : AT_STRING_CR;
    return MNEME_FAULT_NONE;
  }
  if (f->number > limit / sizeof(mneme_node)) return MNEME_FAULT_SIZE;
  if (f->number == 0) return end_element(f), MNEME_FAULT_NONE;
  if (f->depth == MNEME_MAX_DEPTH) return MNEME_FAULT_DEPTH;
  f->left[f->depth++] = f->number;
  f->state = AT_TYPE;
  return MNEME_FAULT_NONE;
}

static mneme_fault step(mneme_framing *f, char byte, size_t limit) {
  switch (f->state) {
  case AT_TYPE:
    if (byte == '\0' || !strchr("+-:$*", byte)) return MNEME_FAULT_TYPE;
    f->type = byte;
    f->negative = false;
    f->digits = 0;
    f->number = 0;
    f->line = 0;
    f->state = byte == '+' || byte == '-' ? IN_TEXT : IN_NUMBER;
    return MNEME_FAULT_NONE;
  case IN_TEXT:
    if (byte == '\r') f->state = AT_LF;
    else if (byte == '\n') return MNEME_FAULT_ENDING;
    else if (++f->line > MNEME_MAX_LINE) return MNEME_FAULT_LINE;
    return MNEME_FAULT_NONE;
  case IN_NUMBER:
    if (byte == '\r') f->state = AT_LF;
    else if (byte == '-' && f->digits == 0 && !f->negative) f->negative = true;
    else if (byte < '0' || byte > '9' || (f->digits == 1 && f->number == 0)) return MNEME_FAULT_NUMBER;
    else if (++f->digits > 19) return MNEME_FAULT_NUMBER;
    else f->number = f->number * 10 + (uint64_t)(byte - '0'); /* 19 digits fit in 64 bits */
    return MNEME_FAULT_NONE;
  case AT_STRING_CR:
    if (byte != '\r') return MNEME_FAULT_ENDING;
    f->type = '+'; /* what is left is the end of a line, and nothing more */
    f->state = AT_LF;
    return MNEME_FAULT_NONE;
  case AT_LF:
    return byte == '\n' ? end_line(f, limit) : MNEME_FAULT_ENDING;
  case IN_STRING:
    break; /* skipped by the caller, never a byte at a time */
  }
  return MNEME_FAULT_NONE;
}

size_t mneme_framing_check(mneme_framing *f, const char *bytes, size_t count, size_t wanted, size_t limit,
                           mneme_fault *fault) {
  size_t at = 0;
  *fault = MNEME_FAULT_NONE;
  while (at < count && f->complete < wanted) {
    if (f->state == IN_STRING) {
      size_t skipped = f->number < count - at ? (size_t)f->number : count - at;
      at += skipped;
      f->number -= skipped;
      if (f->number == 0) f->state = AT_STRING_CR;
      continue;
    }
    *fault = step(f, bytes[at], limit);
    if (*fault) return at;
    at++;
  }
  return at;
}

#endif
