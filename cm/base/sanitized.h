/*
 * sanitized: what an allocator of our own tells AddressSanitizer, so that its blocks are watched like those of malloc:
 * which bytes nobody may touch, and where pointers to the heap may stand. Without the sanitizer it is nothing.
 */
#ifndef BASE_SANITIZED_H
#define BASE_SANITIZED_H

#ifndef __has_feature
#define __has_feature(x) 0
#endif
#if defined(__SANITIZE_ADDRESS__) || __has_feature(address_sanitizer)
#include <sanitizer/asan_interface.h>
#include <sanitizer/lsan_interface.h>
#define SANITIZED		     1
#define SANITIZED_HIDE(bytes, len)   ASAN_POISON_MEMORY_REGION(bytes, len)
#define SANITIZED_SHOW(bytes, len)   ASAN_UNPOISON_MEMORY_REGION(bytes, len)
#define SANITIZED_ROOT(bytes, len)   __lsan_register_root_region(bytes, len)
#define SANITIZED_UNROOT(bytes, len) __lsan_unregister_root_region(bytes, len)
#else
#define SANITIZED		     0
#define SANITIZED_HIDE(bytes, len)   ((void)(bytes), (void)(len))
#define SANITIZED_SHOW(bytes, len)   ((void)(bytes), (void)(len))
#define SANITIZED_ROOT(bytes, len)   ((void)(bytes), (void)(len))
#define SANITIZED_UNROOT(bytes, len) ((void)(bytes), (void)(len))
#endif

#endif
