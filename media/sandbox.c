/* seccomp and Landlock by allow-list, each entry with its reason. */
#include "media/sandbox.h"
#include <errno.h>
#include <linux/landlock.h>
#include <sched.h>
#include <seccomp.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>
#include "ceremony/base/errors.h"

/* Headers of Debian 12 end at REFER; the kernel may know more. */
#ifndef LANDLOCK_ACCESS_FS_TRUNCATE
#define LANDLOCK_ACCESS_FS_TRUNCATE (1ULL << 14)
#endif

static const int allowed[] = {
    /* input, finds, and the wake-up pipes of GLib's main loop */
    SCMP_SYS (read), SCMP_SYS (pread64), SCMP_SYS (write), SCMP_SYS (writev), SCMP_SYS (lseek), SCMP_SYS (close), SCMP_SYS (fstat), SCMP_SYS (newfstatat),
    SCMP_SYS (poll), SCMP_SYS (ppoll), SCMP_SYS (eventfd2), SCMP_SYS (pipe2), SCMP_SYS (fcntl),
    /* memory */
    SCMP_SYS (brk), SCMP_SYS (mmap), SCMP_SYS (munmap), SCMP_SYS (mremap), SCMP_SYS (mprotect), SCMP_SYS (madvise),
    /* threads: decoders and GStreamer's streaming tasks; clone itself is allowed below, with CLONE_THREAD only */
    SCMP_SYS (futex), SCMP_SYS (set_robust_list), SCMP_SYS (rseq), SCMP_SYS (sched_yield), SCMP_SYS (sched_getaffinity), SCMP_SYS (sched_setaffinity),
    SCMP_SYS (sched_getattr), SCMP_SYS (sched_setattr), SCMP_SYS (sched_getscheduler), SCMP_SYS (sched_setscheduler), SCMP_SYS (sched_getparam),
    SCMP_SYS (gettid), SCMP_SYS (getpid), SCMP_SYS (membarrier), SCMP_SYS (getcpu), SCMP_SYS (set_tid_address), SCMP_SYS (getpriority),
    /* clocks, sleeping, random numbers */
    SCMP_SYS (clock_gettime), SCMP_SYS (clock_getres), SCMP_SYS (clock_nanosleep), SCMP_SYS (nanosleep), SCMP_SYS (gettimeofday), SCMP_SYS (getrandom),
    SCMP_SYS (getrusage), SCMP_SYS (sysinfo),
    /* signals and the end */
    SCMP_SYS (rt_sigprocmask), SCMP_SYS (rt_sigaction), SCMP_SYS (rt_sigreturn), SCMP_SYS (sigaltstack), SCMP_SYS (restart_syscall), SCMP_SYS (tgkill),
    SCMP_SYS (exit), SCMP_SYS (exit_group), SCMP_SYS (prctl),
};

/* What no decoder ever has a reason for: whoever tries is killed, not refused. */
static const int killing[] = {
    SCMP_SYS (execve), SCMP_SYS (execveat), SCMP_SYS (fork), SCMP_SYS (vfork), SCMP_SYS (ptrace), SCMP_SYS (connect), SCMP_SYS (bind), SCMP_SYS (listen),
    SCMP_SYS (accept), SCMP_SYS (accept4), SCMP_SYS (sendto), SCMP_SYS (sendmsg), SCMP_SYS (process_vm_readv), SCMP_SYS (process_vm_writev),
    SCMP_SYS (kexec_load), SCMP_SYS (init_module), SCMP_SYS (bpf), SCMP_SYS (mount), SCMP_SYS (unlink), SCMP_SYS (unlinkat), SCMP_SYS (rename),
    SCMP_SYS (renameat2), SCMP_SYS (io_uring_setup), SCMP_SYS (userfaultfd),
};

static gboolean
enter_landlock (void)
{
    struct landlock_ruleset_attr attr = { .handled_access_fs = (LANDLOCK_ACCESS_FS_MAKE_SYM << 1) - 1 };
    long abi = syscall (SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
    if (abi < 1)
        return FALSE;
    if (abi >= 2)
        attr.handled_access_fs |= LANDLOCK_ACCESS_FS_REFER;
    if (abi >= 3)
        attr.handled_access_fs |= LANDLOCK_ACCESS_FS_TRUNCATE;
    int fd = syscall (SYS_landlock_create_ruleset, &attr, sizeof attr.handled_access_fs, 0);
    if (fd < 0)
        return FALSE;
    gboolean ok = syscall (SYS_landlock_restrict_self, fd, 0) == 0;
    close (fd);
    return ok;
}

static gboolean
enter_seccomp (GError **error)
{
    scmp_filter_ctx ctx = seccomp_init (SCMP_ACT_ERRNO (EPERM));
    int rc = ctx == NULL ? -ENOMEM : seccomp_attr_set (ctx, SCMP_FLTATR_CTL_TSYNC, 1);
    for (gsize i = 0; rc == 0 && i < G_N_ELEMENTS (allowed); i++)
        rc = seccomp_rule_add (ctx, SCMP_ACT_ALLOW, allowed[i], 0);
    for (gsize i = 0; rc == 0 && i < G_N_ELEMENTS (killing); i++)
        rc = seccomp_rule_add (ctx, SCMP_ACT_KILL_PROCESS, killing[i], 0);
    if (rc == 0)
        rc = seccomp_rule_add (ctx, SCMP_ACT_ALLOW, SCMP_SYS (clone), 1, SCMP_A0 (SCMP_CMP_MASKED_EQ, CLONE_THREAD, CLONE_THREAD));
    if (rc == 0)    /* GStreamer's wake-up between its own threads */
        rc = seccomp_rule_add (ctx, SCMP_ACT_ALLOW, SCMP_SYS (socketpair), 1, SCMP_A0 (SCMP_CMP_EQ, AF_UNIX));
    if (rc == 0)    /* its flags are in memory, where a filter can't look: glibc then takes clone */
        rc = seccomp_rule_add (ctx, SCMP_ACT_ERRNO (ENOSYS), SCMP_SYS (clone3), 0);
    if (rc == 0)
        rc = seccomp_load (ctx);
    if (ctx != NULL)
        seccomp_release (ctx);
    if (rc == 0)
        return TRUE;
    g_set_error (error, BASE_ERROR, BASE_ERROR_FAILED, "sandbox: the kernel refused the system call filter (%s): video isn't decoded without it", g_strerror (-rc));
    return FALSE;
}

static void
limit (int what, rlim_t value)
{
    struct rlimit now;
    if (getrlimit (what, &now) == 0 && (now.rlim_max == RLIM_INFINITY || now.rlim_max > value)) {
        now.rlim_cur = now.rlim_max = value;
        setrlimit (what, &now);
    }
}

gboolean
sandbox_enter (const SandboxLimits *limits, const char **without, GError **error)
{
    limit (RLIMIT_CORE, 0);
    if (limits->memory_bytes > 0)
        limit (RLIMIT_AS, limits->memory_bytes);
    if (limits->cpu_seconds > 0)
        limit (RLIMIT_CPU, limits->cpu_seconds);
    if (prctl (PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
        return io_fail (error, errno, "sandbox: no_new_privs");
    *without = enter_landlock () ? NULL : "Landlock (the kernel has none)";
    return enter_seccomp (error);
}
