/* Preloaded into a process: records what it has made durable below $SYNC_LOG_ROOT.

   At each fsync or fdatasync of a file below the root, a record is written to $SYNC_LOG: its kind,
   its inode, and its content, or for a folder the names and inodes in it. */
#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static void record_folder(FILE *out, const char *path, struct stat *about) {
    fprintf(out, "F %lu %s\n", (unsigned long)about->st_ino, path);
    DIR *folder = opendir(path);
    struct dirent *entry;
    while (folder && (entry = readdir(folder)))
        if (strcmp(entry->d_name, ".") && strcmp(entry->d_name, ".."))
            fprintf(out, "N %lu %c %s\n", (unsigned long)entry->d_ino,
                    entry->d_type == DT_DIR ? 'd' : 'f', entry->d_name);
    if (folder) closedir(folder);
    fprintf(out, "E\n");
}

static void record_file(FILE *out, const char *path, struct stat *about) {
    char buffer[65536];
    int handle = open(path, O_RDONLY);
    fprintf(out, "C %lu %ld\n", (unsigned long)about->st_ino, (long)about->st_size);
    long left = about->st_size;
    while (handle >= 0 && left > 0) {
        ssize_t some = read(handle, buffer, left < 65536 ? left : 65536);
        if (some <= 0) break;
        fwrite(buffer, 1, some, out);
        left -= some;
    }
    while (left-- > 0) fputc(0, out);
    fputc('\n', out);
    if (handle >= 0) close(handle);
}

static void record(int handle) {
    char link[64], path[PATH_MAX];
    const char *root = getenv("SYNC_LOG_ROOT"), *log = getenv("SYNC_LOG");
    struct stat about;
    snprintf(link, sizeof link, "/proc/self/fd/%d", handle);
    ssize_t length = readlink(link, path, sizeof path - 1);
    if (!root || !log || length < 0 || fstat(handle, &about)) return;
    path[length] = 0;
    if (strncmp(path, root, strlen(root))) return;
    pthread_mutex_lock(&lock);
    FILE *out = fopen(log, "a");
    if (out) {
        if (S_ISDIR(about.st_mode)) record_folder(out, path, &about);
        else record_file(out, path, &about);
        fclose(out);
    }
    pthread_mutex_unlock(&lock);
}

int fsync(int handle) {
    int (*real)(int) = (int (*)(int))dlsym(RTLD_NEXT, "fsync");
    int result = real(handle);
    if (result == 0) record(handle);
    return result;
}

int fdatasync(int handle) {
    int (*real)(int) = (int (*)(int))dlsym(RTLD_NEXT, "fdatasync");
    int result = real(handle);
    if (result == 0) record(handle);
    return result;
}
