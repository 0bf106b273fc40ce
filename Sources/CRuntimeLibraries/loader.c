#define _GNU_SOURCE
#include "CRuntimeLibraries.h"

/* CURLOPT_PROTOCOLS is deprecated. Its successor is missing in libcurl before 7.85. */
#define CURL_DISABLE_DEPRECATION
#include <curl/curl.h>
#include <dlfcn.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <sqlite3.h>
#include <stdbool.h>
#include <string.h>

/* Fills `functions`, an array of pointers, from the first file that can be loaded. Both lists end with NULL. */
static bool load(void *functions, const char *const *files, const char *const *names, const char **reason) {
  void *library = NULL;
  for (; library == NULL && *files != NULL; files++) library = dlopen(*files, RTLD_NOW | RTLD_LOCAL);
  for (size_t i = 0; library != NULL && names[i] != NULL; i++) {
    /* dlsym also finds functions of the libraries that this one depends on: libcrypto's through libssl. */
    void *function = dlsym(library, names[i]);
    if (function == NULL) library = NULL;
    memcpy((char *)functions + i * sizeof function, &function, sizeof function);
  }
  if (library != NULL) return true;
  const char *message = dlerror();
  *reason = message != NULL ? message : "the library cannot be loaded";
  return false;
}

#define HAS_TYPE(TYPE, ...) _Static_assert(__builtin_types_compatible_p(TYPE, __VA_ARGS__), "the header's type");
#define CHECK_TYPE(RESULT, name, PARAMETERS) HAS_TYPE(__typeof__(&name), RESULT(*) PARAMETERS)
#define NAME_OF(RESULT, name, PARAMETERS) #name,

/* Defines mneme_load_NAME. The files are tried in order. */
#define LOADER(NAME, FUNCTIONS, ...)                                                              \
  FUNCTIONS(CHECK_TYPE)                                                                           \
  const struct NAME *mneme_load_##NAME(const char **reason) {                                           \
    static const char *const files[] = {__VA_ARGS__, NULL};                                       \
    static const char *const names[] = {FUNCTIONS(NAME_OF) NULL};                                 \
    static struct NAME functions;                                                                 \
    static bool is_loaded;                                                                        \
    _Static_assert(sizeof functions == sizeof names - sizeof names[0], "one pointer a function"); \
    if (!is_loaded) is_loaded = load(&functions, files, names, reason);                           \
    return is_loaded ? &functions : NULL;                                                         \
  }

LOADER(OpenSSL, OPENSSL_FUNCTIONS, "libssl.so.3", "libssl.so.1.1")
#define DEFINE_INT(name) const int mneme_##name = name;
OPENSSL_CONSTANTS(DEFINE_INT)

/* Debian has libcurl with OpenSSL and with GnuTLS under two names. Both have the same functions. */
LOADER(Curl, CURL_FUNCTIONS, "libcurl.so.4", "libcurl-gnutls.so.4")
#define DEFINE_UNSIGNED(name) const unsigned mneme_##name = name;
CURL_CONSTANTS(DEFINE_UNSIGNED)
HAS_TYPE(curl_write_callback, curl_receiver)
HAS_TYPE(curl_xferinfo_callback, curl_progress)
HAS_TYPE(curl_off_t, int64_t)

LOADER(SQLite, SQLITE_FUNCTIONS, "libsqlite3.so.0")
SQLITE_CONSTANTS(DEFINE_INT)
