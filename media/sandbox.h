/* The sandbox in which hostile video is decoded: after this the process can read and write the descriptors that it has, use memory and threads, and
 * nothing else. */
#pragma once
#include <glib.h>

typedef struct {
    guint64 memory_bytes;       /* RLIMIT_AS; 0: as it is (under AddressSanitizer) */
    guint   cpu_seconds;        /* RLIMIT_CPU */
} SandboxLimits;

/* Locks this process in: no new privileges, Landlock without any right to the file system (where the kernel has it), seccomp by allow-list, limits.
 * Plug-ins and everything else that must be opened have to be loaded before. Threads may exist already: seccomp is set for all of them.
 * Not getting seccomp is an error: hostile video is then not decoded at all. Landlock missing is told in @without (static text, else NULL). */
gboolean sandbox_enter (const SandboxLimits *limits, const char **without, GError **error);
