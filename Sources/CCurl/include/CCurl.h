#ifndef CCURL_H
#define CCURL_H

#include <stdint.h>

// libcurl's two functions with an open list of arguments, which Swift cannot call through a pointer. `function` is
// `curl_easy_setopt` or `curl_easy_getinfo` as `dlsym` gave it; nothing here links libcurl. All return a CURLcode.

/// Sets an option that takes a `long`.
int curl_set_number(void *function, void *handle, int option, long value);

/// Sets an option that takes a pointer, to a function too. Null takes the option back.
int curl_set_pointer(void *function, void *handle, int option, void *value);

/// Reads a `long`.
int curl_get_number(void *function, void *handle, int information, long *value);

/// Reads a `curl_off_t`.
int curl_get_offset(void *function, void *handle, int information, int64_t *value);

#endif
