/* tz_catalog.c: finds the names. The directory tree says which files there are, no file is opened
 * but tzdata.zi: its lines "Z NAME ..." and "L TARGET NAME" say which of them are zones. */
#include "timezone/tz_catalog.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>

#define DEPTH_MOST 3 /* America/Argentina/Salta */

struct walk {
    struct tz_catalog *catalog;
    struct arena scratch; /* gone when the walk is over */
    const char *directory;
    struct map listed; /* by tzdata.zi */
    bool has_list;
};

static void watch(struct tz_catalog *catalog, const char *path) {
    struct tz_watched *watched = &catalog->watched[catalog->watched_count];
    if (catalog->watched_count < TZ_WATCHED_MOST && tz_identity_of(path, &watched->identity)) {
        watched->path = path;
        catalog->watched_count++;
    }
}

/* --- tzdata.zi --- */

static struct text take_until(struct text *rest, char end) {
    const char *found = rest->length > 0 ? memchr(rest->bytes, end, rest->length) : NULL;
    size_t length = found != NULL ? (size_t)(found - rest->bytes) : rest->length;
    struct text taken = {rest->bytes, length};
    size_t skipped = found != NULL ? length + 1 : length;
    *rest = (struct text){rest->bytes + skipped, rest->length - skipped};
    return taken;
}

static void read_line(struct walk *walk, struct text line) {
    struct text keyword = take_until(&line, ' ');
    struct text name = take_until(&line, ' ');
    if (text_equal(keyword, TEXT("L"))) {
        name = take_until(&line, ' ');
    } else if (!text_equal(keyword, TEXT("Z"))) {
        return;
    }
    map_set(&walk->listed, name, walk);
}

static struct text version_of(struct text line) {
    static const struct text mark = {"# version ", 10};
    if (!text_starts(line, mark) || line.length - mark.length > 32) {
        return TEXT("unknown");
    }
    return (struct text){line.bytes + mark.length, line.length - mark.length};
}

static void read_table(struct walk *walk) {
    struct tz_catalog *catalog = walk->catalog;
    const char *path =
        text_cstring(&catalog->arena, text_print(&catalog->arena, "%s/tzdata.zi", walk->directory));
    struct fault ignored;
    struct text rest;
    catalog->version = TEXT("unknown");
    watch(catalog, path);
    if (!tz_file_read(&walk->scratch, path, TZ_TABLE_MOST, &rest, &ignored)) {
        return;
    }
    walk->has_list = true;
    struct text first = take_until(&rest, '\n');
    catalog->version = text_copy(&catalog->arena, version_of(first));
    while (rest.length > 0) {
        read_line(walk, take_until(&rest, '\n'));
    }
}

/* --- the directory --- */

static bool is_name_byte(char byte) {
    return (byte >= 'A' && byte <= 'Z') || (byte >= 'a' && byte <= 'z') ||
           (byte >= '0' && byte <= '9') || byte == '_' || byte == '+' || byte == '-';
}

static bool is_part(const char *part) {
    if (part[0] < 'A' || part[0] > 'Z') {
        return false;
    }
    while (is_name_byte(*part)) {
        part++;
    }
    return *part == '\0';
}

static void add(struct walk *walk, struct text name) {
    struct tz_catalog *catalog = walk->catalog;
    if (catalog->count == TZ_NAMES_MOST || name.length > TZ_NAME_MOST ||
        (walk->has_list && map_find(&walk->listed, name) == NULL)) {
        return;
    }
    struct tz_entry *entry = ARENA_NEW(&catalog->arena, struct tz_entry);
    entry->name = name;
    map_set(&catalog->entries, name, entry);
    catalog->names[catalog->count++] = name;
}

static void visit(struct walk *walk, struct text prefix, unsigned depth);

static void visit_entry(struct walk *walk, struct text prefix, const char *part, unsigned depth) {
    struct text name = text_print(&walk->catalog->arena, "%.*s%s", TEXT_ARGS(prefix), part);
    const char *path = text_cstring(
        &walk->scratch, text_print(&walk->scratch, "%s/%.*s", walk->directory, TEXT_ARGS(name)));
    struct stat status;
    if (stat(path, &status) != 0) {
        return;
    }
    if (S_ISREG(status.st_mode)) {
        add(walk, name);
    } else if (S_ISDIR(status.st_mode) && depth < DEPTH_MOST) {
        visit(walk, text_print(&walk->scratch, "%.*s/", TEXT_ARGS(name)), depth + 1);
    }
}

/* NOLINTNEXTLINE(misc-no-recursion): as deep as DEPTH_MOST */
static void visit(struct walk *walk, struct text prefix, unsigned depth) {
    struct arena *arena = &walk->catalog->arena;
    const char *path =
        text_cstring(arena, text_print(arena, "%s/%.*s", walk->directory, TEXT_ARGS(prefix)));
    watch(walk->catalog, path);
    DIR *directory = opendir(path);
    if (directory == NULL) {
        return;
    }
    struct dirent *entry;
    while ((entry = readdir(directory)) != NULL) {
        if (is_part(entry->d_name)) {
            visit_entry(walk, prefix, entry->d_name, depth);
        }
    }
    closedir(directory);
}

static int compare_names(const void *a, const void *b) {
    return text_compare(*(const struct text *)a, *(const struct text *)b);
}

/* --- the catalog --- */

struct tz_catalog *tz_catalog_new(const char *directory) {
    struct arena arena;
    arena_init(&arena, (size_t)64 << 10);
    struct tz_catalog *catalog = ARENA_NEW(&arena, struct tz_catalog);
    catalog->arena = arena;
    catalog->names = ARENA_ARRAY(&catalog->arena, struct text, TZ_NAMES_MOST);
    map_init(&catalog->entries, &catalog->arena);
    struct walk walk = {.catalog = catalog, .directory = directory};
    arena_init(&walk.scratch, (size_t)64 << 10);
    map_init(&walk.listed, &walk.scratch);
    read_table(&walk);
    visit(&walk, TEXT(""), 1);
    arena_deinit(&walk.scratch);
    qsort(catalog->names, catalog->count, sizeof *catalog->names, compare_names);
    return catalog;
}

void tz_catalog_free(struct tz_catalog *catalog) {
    struct arena arena = catalog->arena;
    arena_deinit(&arena);
}

bool tz_catalog_is_current(const struct tz_catalog *catalog) {
    bool current = catalog->count > 0;
    for (size_t i = 0; current && i < catalog->watched_count; i++) {
        struct tz_identity identity;
        current = tz_identity_of(catalog->watched[i].path, &identity) &&
                  tz_identity_equal(&identity, &catalog->watched[i].identity);
    }
    return current;
}

static bool is_city(struct text name, struct text city) {
    return name.length > city.length && name.bytes[name.length - city.length - 1] == '/' &&
           text_equal_ignore_case(
               (struct text){name.bytes + name.length - city.length, city.length}, city);
}

struct text tz_catalog_nearest(const struct tz_catalog *catalog, struct text name) {
    if (name.length == 0 || name.length > TZ_NAME_MOST) {
        return TEXT_NONE;
    }
    struct text city = TEXT_NONE;
    for (size_t i = 0; i < catalog->count; i++) {
        if (text_equal_ignore_case(catalog->names[i], name)) {
            return catalog->names[i];
        }
        city = !text_given(city) && is_city(catalog->names[i], name) ? catalog->names[i] : city;
    }
    return text_given(city) ? city : text_nearest(name, catalog->names, catalog->count);
}
