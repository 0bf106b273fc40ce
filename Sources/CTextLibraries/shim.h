// Unicode case folding (utf8proc) and SHA-256 (libmd). Linked by the target that uses them.
#include <stdlib.h>
#include <sys/types.h>
#include <sha2.h>
#include <utf8proc.h>
