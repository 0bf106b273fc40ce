/* C libraries that are loaded at run time, when they are first needed.
 *
 * If these libraries were linked, every start of a program would load them, whether it uses them or not: libssl alone
 * takes longer to load than a `get` takes.
 *
 * loader.c includes the real headers: there the compiler compares the type of each function, and takes the value of
 * each constant. This header includes none of them, because they bring half of the C library with them. Swift would
 * take its types, `timespec` for example, for members of this module, in our modules and in those of every package that
 * depends on ours.
 *
 * To add a function or a constant, add it to its library's list. To add a library, add its lists
 * and the line LIBRARY here, and its header and the line LOADER to loader.c.
 *
 * OpenSSL 1.1 and 3, and every libcurl 7 and 8, have what is listed here under the same names, types and values, so the
 * library that is loaded may be older or newer than the headers. The headers of libcurl must be those of 7.66 or later.
 */
#ifndef CRUNTIMELIBRARIES_H
#define CRUNTIMELIBRARIES_H

#include <stddef.h>
#include <stdint.h>

/* Only the pointers to functions are annotated: they are not null once a library is loaded. */
#pragma clang diagnostic push
#pragma clang diagnostic ignored "-Wnullability-completeness"

/* Declares, for the library NAME:
 *
 *   struct NAME                a pointer to each function, under the function's own name
 *   mneme_load_NAME(&reason)   loads the library the first time it is called, and never unloads it. If the library or
 *                              one of its functions is missing, it returns null and sets `reason` to the loader's
 *                              message, which the next call to the loader in this thread overwrites. It is not
 *                              thread-safe: call it from the initializer of a `static let`. */
#define LIBRARY(NAME, FUNCTIONS)                         \
  struct __attribute__((swift_attr("@Sendable"))) NAME { \
    FUNCTIONS(LIBRARY_MEMBER)                            \
  };                                                     \
  const struct NAME *_Nullable mneme_load_##NAME(const char *_Nullable *_Nonnull reason);
#define LIBRARY_MEMBER(RESULT, name, PARAMETERS) RESULT(*_Nonnull name) PARAMETERS;

/* OpenSSL */

struct bio_method_st;
struct bio_st;
struct ssl_ctx_st;
struct ssl_method_st;
struct ssl_st;
struct x509_store_ctx_st;
struct X509_VERIFY_PARAM_st;

#define OPENSSL_FUNCTIONS(FUNCTION) \
  FUNCTION(unsigned long, OpenSSL_version_num, (void)) \
  FUNCTION(const struct ssl_method_st *, TLS_client_method, (void)) \
  FUNCTION(struct ssl_ctx_st *, SSL_CTX_new, (const struct ssl_method_st *)) \
  FUNCTION(void, SSL_CTX_free, (struct ssl_ctx_st *)) \
  FUNCTION(long, SSL_CTX_ctrl, (struct ssl_ctx_st *, int, long, void *)) \
  FUNCTION(void, SSL_CTX_set_verify, (struct ssl_ctx_st *, int, int (*)(int, struct x509_store_ctx_st *))) \
  FUNCTION(int, SSL_CTX_set_default_verify_paths, (struct ssl_ctx_st *)) \
  FUNCTION(int, SSL_CTX_load_verify_locations, (struct ssl_ctx_st *, const char *, const char *)) \
  FUNCTION(int, SSL_CTX_use_certificate_chain_file, (struct ssl_ctx_st *, const char *)) \
  FUNCTION(int, SSL_CTX_use_PrivateKey_file, (struct ssl_ctx_st *, const char *, int)) \
  FUNCTION(int, SSL_CTX_check_private_key, (const struct ssl_ctx_st *)) \
  FUNCTION(void, SSL_CTX_set_default_passwd_cb, (struct ssl_ctx_st *, int (*)(char *, int, int, void *))) \
  FUNCTION(struct ssl_st *, SSL_new, (struct ssl_ctx_st *)) \
  FUNCTION(void, SSL_free, (struct ssl_st *)) \
  FUNCTION(long, SSL_ctrl, (struct ssl_st *, int, long, void *)) \
  FUNCTION(int, SSL_set1_host, (struct ssl_st *, const char *)) \
  FUNCTION(void, SSL_set_hostflags, (struct ssl_st *, unsigned int)) \
  FUNCTION(struct X509_VERIFY_PARAM_st *, SSL_get0_param, (struct ssl_st *)) \
  FUNCTION(int, X509_VERIFY_PARAM_set1_ip_asc, (struct X509_VERIFY_PARAM_st *, const char *)) \
  FUNCTION(void, SSL_set_bio, (struct ssl_st *, struct bio_st *, struct bio_st *)) \
  FUNCTION(void, SSL_set_connect_state, (struct ssl_st *)) \
  FUNCTION(int, SSL_do_handshake, (struct ssl_st *)) \
  FUNCTION(int, SSL_read, (struct ssl_st *, void *, int)) \
  FUNCTION(int, SSL_peek, (struct ssl_st *, void *, int)) \
  FUNCTION(int, SSL_write, (struct ssl_st *, const void *, int)) \
  FUNCTION(int, SSL_pending, (const struct ssl_st *)) \
  FUNCTION(int, SSL_shutdown, (struct ssl_st *)) \
  FUNCTION(int, SSL_get_error, (const struct ssl_st *, int)) \
  FUNCTION(long, SSL_get_verify_result, (const struct ssl_st *)) \
  FUNCTION(const char *, X509_verify_cert_error_string, (long)) \
  FUNCTION(int, BIO_get_new_index, (void)) \
  FUNCTION(struct bio_method_st *, BIO_meth_new, (int, const char *)) \
  FUNCTION(int, BIO_meth_set_write, (struct bio_method_st *, int (*)(struct bio_st *, const char *, int))) \
  FUNCTION(int, BIO_meth_set_read, (struct bio_method_st *, int (*)(struct bio_st *, char *, int))) \
  FUNCTION(int, BIO_meth_set_ctrl, (struct bio_method_st *, long (*)(struct bio_st *, int, long, void *))) \
  FUNCTION(struct bio_st *, BIO_new, (const struct bio_method_st *)) \
  FUNCTION(void, BIO_set_init, (struct bio_st *, int)) \
  FUNCTION(void, BIO_set_data, (struct bio_st *, void *)) \
  FUNCTION(void *, BIO_get_data, (struct bio_st *)) \
  FUNCTION(void, BIO_set_flags, (struct bio_st *, int)) \
  FUNCTION(void, BIO_clear_flags, (struct bio_st *, int)) \
  FUNCTION(unsigned long, ERR_get_error, (void)) \
  FUNCTION(void, ERR_clear_error, (void)) \
  FUNCTION(void, ERR_error_string_n, (unsigned long, char *, size_t))

#define OPENSSL_CONSTANTS(CONSTANT) \
  CONSTANT(X509_V_OK) CONSTANT(X509_V_ERR_CERT_HAS_EXPIRED) CONSTANT(X509_V_ERR_CERT_NOT_YET_VALID) \
  CONSTANT(X509_V_ERR_HOSTNAME_MISMATCH) CONSTANT(X509_V_ERR_IP_ADDRESS_MISMATCH) \
  CONSTANT(X509_CHECK_FLAG_NEVER_CHECK_SUBJECT) CONSTANT(SSL_VERIFY_NONE) CONSTANT(SSL_VERIFY_PEER) CONSTANT(SSL_FILETYPE_PEM) \
  CONSTANT(TLS1_2_VERSION) CONSTANT(TLSEXT_NAMETYPE_host_name) CONSTANT(SSL_CTRL_MODE) \
  CONSTANT(SSL_CTRL_SET_MIN_PROTO_VERSION) CONSTANT(SSL_CTRL_SET_TLSEXT_HOSTNAME) \
  CONSTANT(SSL_MODE_ENABLE_PARTIAL_WRITE) CONSTANT(SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER) \
  CONSTANT(SSL_ERROR_WANT_READ) CONSTANT(SSL_ERROR_WANT_WRITE) CONSTANT(SSL_ERROR_ZERO_RETURN) \
  CONSTANT(BIO_TYPE_SOURCE_SINK) CONSTANT(BIO_CTRL_FLUSH) CONSTANT(BIO_FLAGS_READ) CONSTANT(BIO_FLAGS_WRITE) \
  CONSTANT(BIO_FLAGS_SHOULD_RETRY) CONSTANT(SSL_R_HTTPS_PROXY_REQUEST) CONSTANT(SSL_R_HTTP_REQUEST) \
  CONSTANT(SSL_R_PACKET_LENGTH_TOO_LONG) CONSTANT(SSL_R_SSLV3_ALERT_BAD_CERTIFICATE) \
  CONSTANT(SSL_R_SSLV3_ALERT_CERTIFICATE_EXPIRED) CONSTANT(SSL_R_SSLV3_ALERT_CERTIFICATE_REVOKED) \
  CONSTANT(SSL_R_SSLV3_ALERT_CERTIFICATE_UNKNOWN) CONSTANT(SSL_R_SSLV3_ALERT_HANDSHAKE_FAILURE) \
  CONSTANT(SSL_R_SSLV3_ALERT_UNSUPPORTED_CERTIFICATE) CONSTANT(SSL_R_TLSV13_ALERT_CERTIFICATE_REQUIRED) \
  CONSTANT(SSL_R_TLSV1_ALERT_ACCESS_DENIED) CONSTANT(SSL_R_TLSV1_ALERT_UNKNOWN_CA) \
  CONSTANT(SSL_R_UNKNOWN_PROTOCOL) CONSTANT(SSL_R_WRONG_VERSION_NUMBER)

LIBRARY(OpenSSL, OPENSSL_FUNCTIONS)
/* In Swift, constants have the names that they have in C. */
#define OPENSSL_CONSTANT(name) extern const int mneme_##name __attribute__((swift_name(#name)));
OPENSSL_CONSTANTS(OPENSSL_CONSTANT)

/* libcurl. An `unsigned` is a CURLcode, a CURLoption or a CURLINFO. */

struct curl_slist;

#define CURL_FUNCTIONS(FUNCTION) \
  FUNCTION(unsigned, curl_global_init, (long)) \
  FUNCTION(void *, curl_easy_init, (void)) \
  FUNCTION(void, curl_easy_cleanup, (void *)) \
  FUNCTION(unsigned, curl_easy_setopt, (void *, unsigned, ...)) \
  FUNCTION(unsigned, curl_easy_getinfo, (void *, unsigned, ...)) \
  FUNCTION(unsigned, curl_easy_perform, (void *)) \
  FUNCTION(const char *, curl_easy_strerror, (unsigned)) \
  FUNCTION(struct curl_slist *, curl_slist_append, (struct curl_slist *, const char *)) \
  FUNCTION(void, curl_slist_free_all, (struct curl_slist *))

#define CURL_CONSTANTS(CONSTANT) \
  CONSTANT(CURL_GLOBAL_DEFAULT) CONSTANT(CURL_ERROR_SIZE) CONSTANT(CURLOPT_URL) CONSTANT(CURLOPT_HTTPHEADER) \
  CONSTANT(CURLOPT_USERAGENT) CONSTANT(CURLOPT_ERRORBUFFER) CONSTANT(CURLOPT_PROTOCOLS) CONSTANT(CURLPROTO_HTTP) \
  CONSTANT(CURLPROTO_HTTPS) CONSTANT(CURLOPT_NOSIGNAL) CONSTANT(CURLOPT_POST) CONSTANT(CURLOPT_WRITEFUNCTION) \
  CONSTANT(CURLOPT_NOPROGRESS) CONSTANT(CURLOPT_XFERINFOFUNCTION) CONSTANT(CURLE_ABORTED_BY_CALLBACK) \
  CONSTANT(CURLOPT_TIMEOUT_MS) CONSTANT(CURLOPT_WRITEDATA) CONSTANT(CURLOPT_POSTFIELDSIZE) \
  CONSTANT(CURLOPT_POSTFIELDS) CONSTANT(CURLINFO_RETRY_AFTER) CONSTANT(CURLINFO_RESPONSE_CODE) CONSTANT(CURLE_OK) \
  CONSTANT(CURLE_UNSUPPORTED_PROTOCOL) CONSTANT(CURLE_URL_MALFORMAT) CONSTANT(CURLE_COULDNT_RESOLVE_PROXY) \
  CONSTANT(CURLE_COULDNT_RESOLVE_HOST) CONSTANT(CURLE_COULDNT_CONNECT) CONSTANT(CURLE_PARTIAL_FILE) \
  CONSTANT(CURLE_GOT_NOTHING) CONSTANT(CURLE_SEND_ERROR) CONSTANT(CURLE_RECV_ERROR) CONSTANT(CURLE_WRITE_ERROR) \
  CONSTANT(CURLE_OPERATION_TIMEDOUT) CONSTANT(CURLE_SSL_CONNECT_ERROR) CONSTANT(CURLE_SSL_ENGINE_NOTFOUND) \
  CONSTANT(CURLE_SSL_ENGINE_SETFAILED) CONSTANT(CURLE_SSL_ENGINE_INITFAILED) CONSTANT(CURLE_SSL_CERTPROBLEM) \
  CONSTANT(CURLE_SSL_CIPHER) CONSTANT(CURLE_PEER_FAILED_VERIFICATION) CONSTANT(CURLE_USE_SSL_FAILED) \
  CONSTANT(CURLE_SSL_CACERT_BADFILE) CONSTANT(CURLE_SSL_SHUTDOWN_FAILED) CONSTANT(CURLE_SSL_CRL_BADFILE) \
  CONSTANT(CURLE_SSL_ISSUER_ERROR) CONSTANT(CURLE_SSL_PINNEDPUBKEYNOTMATCH) CONSTANT(CURLE_SSL_INVALIDCERTSTATUS)

LIBRARY(Curl, CURL_FUNCTIONS)
#define CURL_CONSTANT(name) extern const unsigned mneme_##name __attribute__((swift_name(#name)));
CURL_CONSTANTS(CURL_CONSTANT)

/* Swift cannot call functions with a variable number of arguments. These call the two that libcurl has. */

typedef size_t (*curl_receiver)(char *bytes, size_t size, size_t count, void *context);
typedef int (*curl_progress)(void *context, int64_t wanted, int64_t received, int64_t to_send, int64_t sent);

#define CURL_SETTER(TYPE, name)                                                                       \
  static inline unsigned curl_set_##name(struct Curl curl, void *handle, unsigned option, TYPE value) \
    __attribute__((swift_name("Curl.set(self:_:_:" #name ":)"))) {                                    \
    return curl.curl_easy_setopt(handle, option, value);                                              \
  }
CURL_SETTER(long, number)
CURL_SETTER(const char *, text)
CURL_SETTER(const void *, pointer)
CURL_SETTER(struct curl_slist *, list)
CURL_SETTER(curl_receiver, receiver)
CURL_SETTER(curl_progress, progress)

static inline long curl_get_number(struct Curl curl, void *handle, unsigned information)
  __attribute__((swift_name("Curl.number(self:_:_:)"))) {
  long value = 0;
  curl.curl_easy_getinfo(handle, information, &value);
  return value;
}

/* A `curl_off_t`. */
static inline int64_t curl_get_offset(struct Curl curl, void *handle, unsigned information)
  __attribute__((swift_name("Curl.offset(self:_:_:)"))) {
  int64_t value = 0;
  curl.curl_easy_getinfo(handle, information, &value);
  return value;
}

/* SQLite */

struct sqlite3;
struct sqlite3_stmt;

#define SQLITE_FUNCTIONS(FUNCTION) \
  FUNCTION(int, sqlite3_open_v2, (const char *, struct sqlite3 **, int, const char *)) \
  FUNCTION(int, sqlite3_close_v2, (struct sqlite3 *)) \
  FUNCTION(int, sqlite3_busy_timeout, (struct sqlite3 *, int)) \
  FUNCTION(const char *, sqlite3_errmsg, (struct sqlite3 *)) \
  FUNCTION(int, sqlite3_system_errno, (struct sqlite3 *)) \
  FUNCTION(int, sqlite3_prepare_v2, (struct sqlite3 *, const char *, int, struct sqlite3_stmt **, const char **)) \
  FUNCTION(int, sqlite3_step, (struct sqlite3_stmt *)) \
  FUNCTION(int, sqlite3_reset, (struct sqlite3_stmt *)) \
  FUNCTION(int, sqlite3_finalize, (struct sqlite3_stmt *)) \
  FUNCTION(int, sqlite3_bind_blob, (struct sqlite3_stmt *, int, const void *, int, void (*)(void *))) \
  FUNCTION(int, sqlite3_bind_text, (struct sqlite3_stmt *, int, const char *, int, void (*)(void *))) \
  FUNCTION(int, sqlite3_bind_int64, (struct sqlite3_stmt *, int, long long)) \
  FUNCTION(int, sqlite3_bind_null, (struct sqlite3_stmt *, int)) \
  FUNCTION(int, sqlite3_column_type, (struct sqlite3_stmt *, int)) \
  FUNCTION(int, sqlite3_column_bytes, (struct sqlite3_stmt *, int)) \
  FUNCTION(const unsigned char *, sqlite3_column_text, (struct sqlite3_stmt *, int)) \
  FUNCTION(const void *, sqlite3_column_blob, (struct sqlite3_stmt *, int)) \
  FUNCTION(long long, sqlite3_column_int64, (struct sqlite3_stmt *, int))

#define SQLITE_CONSTANTS(CONSTANT) \
  CONSTANT(SQLITE_OK) CONSTANT(SQLITE_ROW) CONSTANT(SQLITE_DONE) CONSTANT(SQLITE_BUSY) CONSTANT(SQLITE_LOCKED) \
  CONSTANT(SQLITE_CORRUPT) CONSTANT(SQLITE_NOTADB) CONSTANT(SQLITE_CANTOPEN) CONSTANT(SQLITE_READONLY) \
  CONSTANT(SQLITE_PERM) CONSTANT(SQLITE_FULL) CONSTANT(SQLITE_IOERR) CONSTANT(SQLITE_CONSTRAINT) \
  CONSTANT(SQLITE_OPEN_READONLY) CONSTANT(SQLITE_OPEN_READWRITE) CONSTANT(SQLITE_INTEGER) CONSTANT(SQLITE_FLOAT) \
  CONSTANT(SQLITE_TEXT) CONSTANT(SQLITE_BLOB) CONSTANT(SQLITE_NULL)

LIBRARY(SQLite, SQLITE_FUNCTIONS)
#define SQLITE_CONSTANT(name) extern const int mneme_##name __attribute__((swift_name(#name)));
SQLITE_CONSTANTS(SQLITE_CONSTANT)

/* SQLite copies the bytes. No bytes are an empty text or blob, not NULL. */
#define SQLITE_BINDER(name, TYPE)                                                                            \
  static inline int sqlite_bind_##name(                                                                      \
    const struct SQLite *_Nonnull sqlite, struct sqlite3_stmt *statement, int index, const void *bytes, int count) { \
    return sqlite->sqlite3_bind_##name(                                                                      \
      statement, index, (TYPE)(bytes != NULL ? bytes : ""), count, (void (*)(void *))-1);                    \
  }
SQLITE_BINDER(text, const char *)
SQLITE_BINDER(blob, const void *)

#pragma clang diagnostic pop

#endif
