/* reads.c: the data are the second parameter, whose name the function tells; its lines are searched
 * for NAME.field, NAME["field"] and NAME[upvalue]. */
#include "policy/declare/reads.h"

#include "policy/declare/folder.h"

struct search {
    struct check *check;
    struct text name; /* of the parameter */
    const char *at, *end;
};

static bool is_word(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

static void add(struct check *check, struct text field) {
    for (size_t i = 0; i < check->read_count; i++) {
        if (text_equal(check->reads[i], field)) {
            return;
        }
    }
    if (check->reads == NULL) {
        check->reads = ARENA_ARRAY(check->arena, struct text, READS_MOST);
    }
    if (check->read_count < READS_MOST) {
        check->reads[check->read_count++] = text_copy(check->arena, field);
    }
}

static struct text word_at(const char *at, const char *end) {
    const char *stop = at;
    while (stop < end && is_word(*stop)) {
        stop++;
    }
    return (struct text){at, (size_t)(stop - at)};
}

/* The function is on top. An upvalue of this name that is a string. stack: [-0, +0] */
static void add_upvalue(struct check *check, struct text name) {
    lua_State *lua = check->lua;
    const char *found;
    for (int i = 1; (found = lua_getupvalue(lua, -1, i)) != NULL; i++) { // stack: value
        struct text value = check_text_at(check, -1);
        lua_pop(lua, 1); // stack:
        if (text_equal(text_of(found), name) && text_given(value)) {
            add(check, value);
        }
    }
}

static void read_index(struct search *search, const char *at) {
    bool is_quoted = at < search->end && (*at == '"' || *at == '\'');
    struct text word = word_at(at + is_quoted, search->end);
    if (word.length > 0 && is_quoted) {
        add(search->check, word);
    } else if (word.length > 0) {
        add_upvalue(search->check, word);
    }
}

/* What follows the parameter's name. */
static void read_access(struct search *search, const char *at) {
    struct text word;
    if (at < search->end && *at == '.' && (word = word_at(at + 1, search->end)).length > 0) {
        add(search->check, word);
    } else if (at < search->end && *at == '[') {
        read_index(search, at + 1);
    }
}

static void search_all(struct search *search) {
    const char *start = search->at;
    while (search->at < search->end) {
        struct text word = word_at(search->at, search->end);
        bool is_member = search->at > start && search->at[-1] == '.';
        search->at += word.length > 0 ? word.length : 1;
        if (!is_member && text_equal(word, search->name)) {
            read_access(search, search->at);
        }
    }
}

/* Lines `first` to `last` of a text, counted from 1. */
static void cut(struct search *search, struct text text, int first, int last) {
    const char *end = text.bytes + text.length;
    int line = 1;
    search->at = search->end = end;
    for (const char *at = text.bytes; at < end && line <= last; at++) {
        search->at = line == first && search->at == end ? at : search->at;
        line += *at == '\n';
        search->end = at + 1;
    }
}

static const struct policy_file *file_of(const struct check *check, const lua_Debug *about) {
    return about->source[0] == '@'
               ? folder_find(check->files, check->file_count, text_of(about->source + 1))
               : NULL;
}

void reads_note(struct check *check) {
    lua_Debug about;
    const char *name = lua_getlocal(check->lua, NULL, 2);
    lua_pushvalue(check->lua, -1);         // stack: function function
    lua_getinfo(check->lua, ">S", &about); // stack: function
    const struct policy_file *file = file_of(check, &about);
    if (name != NULL && file != NULL && file->text.length <= *check->scan_left) {
        *check->scan_left -= file->text.length;
        struct search search = {.check = check, .name = text_of(name)};
        cut(&search, file->text, about.linedefined, about.lastlinedefined);
        search_all(&search);
    }
}
