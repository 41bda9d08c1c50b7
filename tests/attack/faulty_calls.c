/* A preloaded library: system calls on files below one folder are counted, and the k-th fails.
 *
 * FAULTY_CALLS says which calls count and what becomes of the k-th of them: the process dies, or
 * the call gives an error. It also models what a power cut does: bytes that were written and not
 * fsynced are gone, and so is a new name whose folder was not fsynced. tests/attack/calls.py is
 * the other side of this file; Linux with glibc.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* In the order of KINDS in calls.py. */
enum { CREATE, WRITE, FSYNC, RENAME, UNLINK, MKDIR, RMDIR, TRUNCATE, CLOSE, OPEN, READ, STAT, LIST, LOCK };
enum { COUNT, DIE, CUT, FAIL, FAIL_ON };

static struct {
    char folder[PATH_MAX];
    long kinds, at;
    int effect, error;
    char log[PATH_MAX];
} settings;
static long calls;

/* What a power cut would take: files with bytes that were not fsynced, new names likewise. */
enum { MOST = 512 };
static char dirty[MOST][PATH_MAX], fresh[MOST][PATH_MAX];
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

/* Takes the settings from the environment: calls.py says what stands there. A new process does so
 * by itself, a fork when it is told to. */
__attribute__((constructor)) void faulty_begin(void) {
    const char *said = getenv("FAULTY_CALLS");
    char folder[PATH_MAX];
    calls = 0, settings.folder[0] = 0;
    if (said && sscanf(said, "%ld %ld %d %d %4095s %4095s", &settings.kinds, &settings.at, &settings.effect,
                       &settings.error, folder, settings.log) == 6)
        strcpy(settings.folder, folder);
}

static void *real(const char *name) { return dlsym(RTLD_NEXT, name); }
#define REAL(name) ((__typeof__(&name))real(#name))

static int is_below(const char *path) {
    size_t length = strlen(settings.folder);
    return length && !strncmp(path, settings.folder, length) && (!path[length] || path[length] == '/');
}

static int path_of(int fd, char *path) {
    char link[64];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    long length = syscall(SYS_readlink, link, path, PATH_MAX - 1);
    path[length > 0 ? length : 0] = 0;
    return length > 0 && is_below(path);
}

static int path_at(int folder, const char *name, char *path) {
    char base[PATH_MAX] = "";
    if (!settings.folder[0]) return 0;
    if (name[0] != '/' && folder != AT_FDCWD) path_of(folder, base);
    else if (name[0] != '/' && !getcwd(base, sizeof base)) return 0;
    return snprintf(path, PATH_MAX, "%s%s%s", base, base[0] ? "/" : "", name) < PATH_MAX && is_below(path);
}

static void mark(char (*list)[PATH_MAX], const char *path) {
    int free = -1;
    for (int i = MOST - 1; i >= 0; i--) {
        if (!list[i][0]) free = i;
        else if (!strcmp(list[i], path)) return;
    }
    if (free >= 0) strcpy(list[free], path);
}

static int unmark(char (*list)[PATH_MAX], const char *path) {
    for (int i = 0; i < MOST; i++)
        if (!strcmp(list[i], path)) return list[i][0] = 0, 1;
    return 0;
}

static void note(char (*list)[PATH_MAX], const char *path, int is_marked) {
    int before = errno;
    pthread_mutex_lock(&lock);
    if (is_marked) mark(list, path);
    else unmark(list, path);
    pthread_mutex_unlock(&lock);
    errno = before;
}

static void note_fsync(const char *path) {
    size_t length = strlen(path);
    note(dirty, path, 0);
    pthread_mutex_lock(&lock); /* of a folder: the names in it are there to stay */
    for (int i = 0; i < MOST; i++)
        if (!strncmp(fresh[i], path, length) && fresh[i][length] == '/' && !strchr(fresh[i] + length + 1, '/'))
            fresh[i][0] = 0;
    pthread_mutex_unlock(&lock);
}

static void note_rename(const char *from, const char *to, int is_new) {
    pthread_mutex_lock(&lock);
    if (unmark(dirty, from)) mark(dirty, to);
    else unmark(dirty, to);
    if (is_new) mark(fresh, to);
    pthread_mutex_unlock(&lock);
}

static void die(void) {
    if (settings.effect == CUT) {
        pthread_mutex_lock(&lock);
        for (int i = 0; i < MOST; i++) {
            if (dirty[i][0]) syscall(SYS_truncate, dirty[i], 0L);
            if (fresh[i][0]) syscall(SYS_unlink, fresh[i]);
        }
    }
    syscall(SYS_kill, getpid(), SIGKILL);
    for (;;) pause();
}

static void tell(int kind, const char *path) {
    char line[PATH_MAX + 64];
    int length = snprintf(line, sizeof line, "%d %s\n", kind, path);
    int fd = (int)syscall(SYS_openat, AT_FDCWD, settings.log, O_WRONLY | O_CREAT | O_APPEND, 0666);
    if (fd >= 0) syscall(SYS_write, fd, line, length), syscall(SYS_close, fd);
}

/* Whether a call is the one that fails, or one after it where all of them do. */
static int is_struck(int kind, const char *path) {
    if (!(settings.kinds >> kind & 1)) return 0;
    long number = __atomic_add_fetch(&calls, 1, __ATOMIC_SEQ_CST);
    if (settings.effect == COUNT) return tell(kind, path), 0;
    if (number < settings.at || (number > settings.at && settings.effect != FAIL_ON)) return 0;
    if (number == settings.at) tell(kind, path);
    return 1 + (number > settings.at);
}

static int fails(int kind, const char *path) {
    if (!is_struck(kind, path)) return 0;
    if (settings.effect == DIE || settings.effect == CUT) die();
    errno = settings.error;
    return 1;
}

#define AT(kind, folder, name, bad) \
    char path[PATH_MAX];            \
    if (path_at(folder, name, path) && fails(kind, path)) return bad
#define OF(kind, fd, bad)                                        \
    char path[PATH_MAX];                                         \
    int below = settings.folder[0] && path_of(fd, path);         \
    if (below && fails(kind, path)) return bad

static int open_any(int folder, const char *name, int flags, mode_t mode) {
    if (flags & O_DIRECTORY) { AT(LIST, folder, name, -1); }
    else { AT(flags & O_CREAT ? CREATE : OPEN, folder, name, -1); }
    return (int)syscall(SYS_openat, folder, name, flags | O_LARGEFILE, mode);
}

#define MODE(last)                          \
    mode_t mode = 0;                        \
    if (flags & (O_CREAT | __O_TMPFILE)) {  \
        va_list more;                       \
        va_start(more, last);               \
        mode = va_arg(more, mode_t);        \
        va_end(more);                       \
    }

int open(const char *name, int flags, ...) { MODE(flags) return open_any(AT_FDCWD, name, flags, mode); }
int open64(const char *name, int flags, ...) { MODE(flags) return open_any(AT_FDCWD, name, flags, mode); }
int openat(int folder, const char *name, int flags, ...) { MODE(flags) return open_any(folder, name, flags, mode); }
int openat64(int folder, const char *name, int flags, ...) { MODE(flags) return open_any(folder, name, flags, mode); }

ssize_t write(int fd, const void *data, size_t size) {
    char path[PATH_MAX];
    int below = settings.folder[0] && path_of(fd, path);
    int hit = below ? is_struck(WRITE, path) : 0;
    if (below) note(dirty, path, 1);
    /* A disk that gets full takes a part, and so it does of a process that dies. */
    if (hit == 1 && settings.effect != FAIL && size > 1) {
        ssize_t written = REAL(write)(fd, data, size / 2);
        if (settings.effect == FAIL_ON) return written;
    }
    if (hit && (settings.effect == DIE || settings.effect == CUT)) die();
    if (hit) return errno = settings.error, -1;
    return REAL(write)(fd, data, size);
}

int fsync(int fd) {
    OF(FSYNC, fd, -1);
    int result = REAL(fsync)(fd);
    if (below && !result) note_fsync(path);
    return result;
}

int close(int fd) {
    char path[PATH_MAX];
    if (settings.folder[0] && path_of(fd, path) && fails(CLOSE, path)) {
        int error = errno;
        syscall(SYS_close, fd); /* as Linux does it: the descriptor is gone all the same */
        return errno = error, -1;
    }
    return REAL(close)(fd);
}

ssize_t read(int fd, void *data, size_t size) { OF(READ, fd, -1); return REAL(read)(fd, data, size); }
int ftruncate64(int fd, off64_t size) { OF(TRUNCATE, fd, -1); return REAL(ftruncate64)(fd, size); }
int flock(int fd, int how) { OF(LOCK, fd, -1); return REAL(flock)(fd, how); }

int rename(const char *old, const char *new) {
    AT(RENAME, AT_FDCWD, new, -1);
    int is_new = syscall(SYS_access, new, F_OK) != 0;
    int result = REAL(rename)(old, new);
    if (!result && is_below(path)) note_rename(old, path, is_new);
    return result;
}

static int unlink_any(int folder, const char *name, int flags) {
    AT(flags & AT_REMOVEDIR ? RMDIR : UNLINK, folder, name, -1);
    int result = (int)syscall(SYS_unlinkat, folder, name, flags);
    if (!result && is_below(path)) note(dirty, path, 0), note(fresh, path, 0);
    return result;
}

int unlink(const char *name) { return unlink_any(AT_FDCWD, name, 0); }
int rmdir(const char *name) { return unlink_any(AT_FDCWD, name, AT_REMOVEDIR); }
int unlinkat(int folder, const char *name, int flags) { return unlink_any(folder, name, flags); }

int mkdir(const char *name, mode_t mode) { AT(MKDIR, AT_FDCWD, name, -1); return REAL(mkdir)(name, mode); }
int mkdirat(int folder, const char *name, mode_t mode) {
    AT(MKDIR, folder, name, -1);
    return REAL(mkdirat)(folder, name, mode);
}
int fstatat64(int folder, const char *name, struct stat64 *found, int flags) {
    AT(STAT, folder, name, -1);
    return REAL(fstatat64)(folder, name, found, flags);
}
int stat64(const char *name, struct stat64 *found) { AT(STAT, AT_FDCWD, name, -1); return REAL(stat64)(name, found); }
int lstat64(const char *name, struct stat64 *found) { AT(STAT, AT_FDCWD, name, -1); return REAL(lstat64)(name, found); }
int fstat64(int fd, struct stat64 *found) { OF(STAT, fd, -1); return REAL(fstat64)(fd, found); }
DIR *opendir(const char *name) { AT(LIST, AT_FDCWD, name, NULL); return REAL(opendir)(name); }
