#include "CCurl.h"

typedef int (*variadic)(void *handle, int name, ...);

int curl_set_number(void *function, void *handle, int option, long value) {
    return ((variadic)function)(handle, option, value);
}

int curl_set_pointer(void *function, void *handle, int option, void *value) {
    return ((variadic)function)(handle, option, value);
}

int curl_get_number(void *function, void *handle, int information, long *value) {
    return ((variadic)function)(handle, information, value);
}

int curl_get_offset(void *function, void *handle, int information, int64_t *value) {
    return ((variadic)function)(handle, information, value);
}
