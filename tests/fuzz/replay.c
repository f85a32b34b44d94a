/* replay.c: runs one fuzz target over its corpus, so that every build and every sanitizer replays
 * what fuzzing once found. Usage: replay CORPUS. To fuzz for real, build the target with clang's
 * -fsanitize=fuzzer in place of this file. */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);

static int replay(const char *folder, const char *name) {
    char path[4096];
    static uint8_t bytes[1 << 20];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *file = fopen(path, "rb");
    if (file == NULL) {
        perror(path);
        return 1;
    }
    size_t length = fread(bytes, 1, sizeof bytes, file);
    fclose(file);
    /* An exact heap copy, so that reading one byte too far is seen. */
    uint8_t *exact = malloc(length > 0 ? length : 1);
    for (size_t i = 0; i < length; i++) {
        exact[i] = bytes[i];
    }
    LLVMFuzzerTestOneInput(exact, length);
    free(exact);
    return 0;
}

int main(int count, char **arguments) {
    const char *folder = count > 1 ? arguments[1] : FUZZ_CORPUS;
    DIR *directory = opendir(folder);
    int replayed = 0, failed = 0;
    if (directory == NULL) {
        perror(folder);
        return 1;
    }
    for (struct dirent *entry; (entry = readdir(directory)) != NULL;) {
        if (entry->d_name[0] != '.') {
            failed += replay(folder, entry->d_name);
            replayed++;
        }
    }
    closedir(directory);
    printf("[  PASSED  ] %d test(s).\n", replayed - failed);
    return failed > 0 || replayed == 0;
}
