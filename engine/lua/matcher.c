/* matcher.c: a pattern is compiled to a row of items, since a Lua pattern has neither alternatives
 * nor groups that repeat. Matching walks the row from left to right. Each item that could have
 * matched otherwise leaves a `retry`; on failure the newest one is taken up again.
 *
 * Invariants:
 *  1. An item has at most one retry on the stack, so the stack is no longer than the row and
 * nothing recurses.
 *  2. A path that reaches the end of the row has passed every item, so a capture need not be
 *     undone on failure: it is set anew before anything reads it.
 *  3. Every item tried and every byte looked at is counted in `steps`. */
#include "lua/matcher.h"

#include <lauxlib.h>

#define STEPS_BATCH    1000
#define BYTES_PER_STEP 8

struct byte_set {
    uint64_t words[4];
};

enum item_kind {
    ITEM_BYTE,
    ITEM_ANY,
    ITEM_SET, /* these may repeat */
    ITEM_OPEN,
    ITEM_CLOSE,
    ITEM_POSITION,
    ITEM_BACK,
    ITEM_BALANCE,
    ITEM_FRONTIER,
    ITEM_END,
    ITEM_DONE
};

struct item {
    uint8_t kind;
    char repeat;  /* 0 or one of "*+-?" */
    uint8_t a, b; /* the byte; the capture; the two bytes of a balance */
    uint32_t set; /* index into sets */
};

struct retry {
    const struct item *item;
    const char *least; /* how short a greedy run may get; NULL: a lazy one, or an option taken */
    const char *at;    /* where the run ends now */
};

struct pattern {
    struct item *items;
    struct byte_set *sets;
    struct retry *retries;
    size_t item_count, set_count;
    int capture_count;
    bool anchored;
};

int pattern_capture_count(const struct pattern *pattern) {
    return pattern->capture_count;
}

bool pattern_is_anchored(const struct pattern *pattern) {
    return pattern->anchored;
}

bool pattern_is_plain(struct text source) {
    for (size_t i = 0; i < source.length; i++) {
        if (source.bytes[i] == '\0' || strchr("^$*+?.([%-", source.bytes[i]) == NULL) {
            continue;
        }
        return false;
    }
    return true;
}

/* --- sets of bytes --- */

/* ASCII only, whatever the locale. The first 128 bytes; no class has one of the others. */
static const struct {
    char letter;
    uint64_t low, high;
} classes[] = {
    {'a', 0x0000000000000000, 0x07FFFFFE07FFFFFE}, {'c', 0x00000000FFFFFFFF, 0x8000000000000000},
    {'d', 0x03FF000000000000, 0x0000000000000000}, {'g', 0xFFFFFFFE00000000, 0x7FFFFFFFFFFFFFFF},
    {'l', 0x0000000000000000, 0x07FFFFFE00000000}, {'p', 0xFC00FFFE00000000, 0x78000001F8000001},
    {'s', 0x0000000100003E00, 0x0000000000000000}, {'u', 0x0000000000000000, 0x0000000007FFFFFE},
    {'w', 0x03FF000000000000, 0x07FFFFFE07FFFFFE}, {'x', 0x03FF000000000000, 0x0000007E0000007E},
    {'z', 0x0000000000000001, 0x0000000000000000}, /* not in the manual any more, but in Lua and in
                                                      use */
};

static bool set_has(const struct byte_set *set, unsigned char byte) {
    return (set->words[byte / 64] >> (byte % 64) & 1) != 0;
}

static void set_add(struct byte_set *set, unsigned char byte) {
    set->words[byte / 64] |= UINT64_C(1) << (byte % 64);
}

static void set_invert(struct byte_set *set) {
    for (int i = 0; i < 4; i++) {
        set->words[i] = ~set->words[i];
    }
}

/* "%a": adds the class of a letter; the capital letter stands for all other bytes. */
static bool set_add_class(struct byte_set *set, char letter) {
    bool inverted = letter >= 'A' && letter <= 'Z';
    char small = inverted ? (char)(letter + ('a' - 'A')) : letter;
    for (size_t i = 0; i < sizeof classes / sizeof classes[0]; i++) {
        if (classes[i].letter == small) {
            struct byte_set class = {{classes[i].low, classes[i].high, 0, 0}};
            if (inverted) {
                set_invert(&class);
            }
            for (int word = 0; word < 4; word++) {
                set->words[word] |= class.words[word];
            }
            return true;
        }
    }
    return false;
}

static void set_add_range(struct byte_set *set, unsigned char from, unsigned char to) {
    for (int byte = from; byte <= to; byte++) {
        set_add(set, (unsigned char)byte);
    }
}

/* --- compiling --- */

struct compiler {
    lua_State *lua;
    struct pattern *pattern;
    const char *at, *end;
    int open[PATTERN_CAPTURES]; /* captures not closed yet, outermost first */
    int open_count;
};

struct layout {
    size_t items, sets, retries;
};

/* The most that there can be of each. */
static struct layout lay_out(struct text source) {
    struct layout layout = {source.length + 1, 0, 0};
    for (size_t i = 0; i < source.length; i++) {
        char c = source.bytes[i];
        layout.sets += c == '[' || c == '%';
        layout.retries += c == '*' || c == '+' || c == '-' || c == '?';
    }
    return layout;
}

size_t pattern_room(struct text source) {
    struct layout layout = lay_out(source);
    return sizeof(struct pattern) + layout.sets * sizeof(struct byte_set) +
           layout.retries * sizeof(struct retry) + layout.items * sizeof(struct item);
}

static struct pattern *place(struct text source, void *room) {
    struct layout layout = lay_out(source);
    struct pattern *pattern = room;
    *pattern = (struct pattern){.sets = (struct byte_set *)(pattern + 1)};
    pattern->retries = (struct retry *)(pattern->sets + layout.sets);
    pattern->items = (struct item *)(pattern->retries + layout.retries);
    return pattern;
}

static bool has_more(const struct compiler *compiler, size_t count) {
    return (size_t)(compiler->end - compiler->at) >= count;
}

static struct item *add_item(struct compiler *compiler, enum item_kind kind, int a, int b) {
    struct item *item = &compiler->pattern->items[compiler->pattern->item_count++];
    *item = (struct item){.kind = (uint8_t)kind, .a = (uint8_t)a, .b = (uint8_t)b};
    return item;
}

static struct byte_set *add_set(struct compiler *compiler) {
    struct byte_set *set = &compiler->pattern->sets[compiler->pattern->set_count++];
    *set = (struct byte_set){{0}};
    return set;
}

/* The ']' that ends a set whose content begins at `at`; a ']' that comes first is content. */
static const char *set_end(struct compiler *compiler, const char *at) {
    const char *first = at;
    while (at < compiler->end && (*at != ']' || at == first)) {
        at += *at == '%' && at + 1 < compiler->end ? 2 : 1;
    }
    if (at >= compiler->end) {
        luaL_error(compiler->lua, "malformed pattern (missing ']')");
    }
    return at;
}

static void compile_set(struct compiler *compiler) {
    const char *at = compiler->at + 1;
    bool inverted = at < compiler->end && *at == '^';
    at += inverted;
    const char *end = set_end(compiler, at);
    struct byte_set *set = add_set(compiler);
    while (at < end) {
        if (*at == '%') {
            if (!set_add_class(set, at[1])) {
                set_add(set, (unsigned char)at[1]);
            }
            at += 2;
        } else if (at + 2 < end && at[1] == '-') {
            set_add_range(set, (unsigned char)at[0], (unsigned char)at[2]);
            at += 3;
        } else {
            set_add(set, (unsigned char)*at++);
        }
    }
    if (inverted) {
        set_invert(set);
    }
    compiler->at = end + 1;
}

static void compile_escaped(struct compiler *compiler) {
    char letter = compiler->at[1];
    struct byte_set *set = add_set(compiler);
    if (set_add_class(set, letter)) {
        add_item(compiler, ITEM_SET, 0, 0)->set = (uint32_t)compiler->pattern->set_count - 1;
    } else {
        compiler->pattern->set_count--;
        add_item(compiler, ITEM_BYTE, (unsigned char)letter, 0);
    }
    compiler->at += 2;
}

static void compile_single(struct compiler *compiler) {
    char c = *compiler->at;
    if (c == '[') {
        compile_set(compiler);
        add_item(compiler, ITEM_SET, 0, 0)->set = (uint32_t)compiler->pattern->set_count - 1;
    } else if (c == '%') {
        compile_escaped(compiler);
    } else {
        add_item(compiler, c == '.' ? ITEM_ANY : ITEM_BYTE, (unsigned char)c, 0);
        compiler->at++;
    }
    if (has_more(compiler, 1) && *compiler->at != '\0' && strchr("*+-?", *compiler->at)) {
        compiler->pattern->items[compiler->pattern->item_count - 1].repeat = *compiler->at++;
    }
}

static void compile_open(struct compiler *compiler) {
    struct pattern *pattern = compiler->pattern;
    if (pattern->capture_count == PATTERN_CAPTURES) {
        luaL_error(compiler->lua, "too many captures");
    }
    int capture = pattern->capture_count++;
    if (has_more(compiler, 2) && compiler->at[1] == ')') {
        add_item(compiler, ITEM_POSITION, capture, 0);
        compiler->at += 2;
    } else {
        add_item(compiler, ITEM_OPEN, capture, 0);
        compiler->open[compiler->open_count++] = capture;
        compiler->at++;
    }
}

static void compile_close(struct compiler *compiler) {
    if (compiler->open_count == 0) {
        luaL_error(compiler->lua, "invalid pattern capture");
    }
    add_item(compiler, ITEM_CLOSE, compiler->open[--compiler->open_count], 0);
    compiler->at++;
}

static void compile_back(struct compiler *compiler) {
    int capture = compiler->at[1] - '1';
    bool usable = capture >= 0 && capture < compiler->pattern->capture_count;
    for (int i = 0; i < compiler->open_count; i++) {
        usable = usable && compiler->open[i] != capture;
    }
    if (!usable) {
        luaL_error(compiler->lua, "invalid capture index %%%d", capture + 1);
    }
    add_item(compiler, ITEM_BACK, capture, 0);
    compiler->at += 2;
}

static void compile_balance(struct compiler *compiler) {
    if (!has_more(compiler, 4)) {
        luaL_error(compiler->lua, "malformed pattern (missing arguments to '%%b')");
    }
    add_item(compiler, ITEM_BALANCE, (unsigned char)compiler->at[2],
             (unsigned char)compiler->at[3]);
    compiler->at += 4;
}

static void compile_frontier(struct compiler *compiler) {
    compiler->at += 2;
    if (!has_more(compiler, 1) || *compiler->at != '[') {
        luaL_error(compiler->lua, "missing '[' after '%%f' in pattern");
    }
    compile_set(compiler);
    add_item(compiler, ITEM_FRONTIER, 0, 0)->set = (uint32_t)compiler->pattern->set_count - 1;
}

static void compile_percent(struct compiler *compiler) {
    if (!has_more(compiler, 2)) {
        luaL_error(compiler->lua, "malformed pattern (ends with '%%')");
    }
    char letter = compiler->at[1];
    if (letter == 'b') {
        compile_balance(compiler);
    } else if (letter == 'f') {
        compile_frontier(compiler);
    } else if (letter >= '0' && letter <= '9') {
        compile_back(compiler);
    } else {
        compile_single(compiler);
    }
}

static void compile_item(struct compiler *compiler) {
    char c = *compiler->at;
    if (c == '(') {
        compile_open(compiler);
    } else if (c == ')') {
        compile_close(compiler);
    } else if (c == '%') {
        compile_percent(compiler);
    } else if (c == '$' && !has_more(compiler, 2)) {
        add_item(compiler, ITEM_END, 0, 0);
        compiler->at++;
    } else {
        compile_single(compiler);
    }
}

struct pattern *pattern_compile(lua_State *lua, struct text source, bool anchors, void *room) {
    struct pattern *pattern = place(source, room);
    struct compiler compiler = {.lua = lua, .pattern = pattern, .at = source.bytes};
    compiler.end = source.bytes + source.length;
    vm_charge(lua, (int64_t)source.length);
    if (anchors && source.length > 0 && source.bytes[0] == '^') {
        pattern->anchored = true;
        compiler.at++;
    }
    while (compiler.at < compiler.end) {
        compile_item(&compiler);
    }
    if (compiler.open_count > 0) {
        luaL_error(lua, "unfinished capture");
    }
    add_item(&compiler, ITEM_DONE, 0, 0);
    return pattern;
}

/* --- matching --- */

void matcher_init(struct matcher *matcher, lua_State *lua, struct pattern *pattern,
                  struct text subject) {
    matcher->lua = lua;
    matcher->pattern = pattern;
    matcher->begin = subject.bytes;
    matcher->end = subject.bytes + subject.length;
    matcher->steps = 0;
}

void matcher_settle(struct matcher *matcher) {
    int64_t steps = matcher->steps;
    matcher->steps = 0;
    vm_charge(matcher->lua, steps);
}

static void count(struct matcher *matcher, int64_t steps) {
    matcher->steps += steps;
    if (matcher->steps >= STEPS_BATCH) {
        matcher_settle(matcher);
    }
}

static void count_bytes(struct matcher *matcher, const char *from, const char *to) {
    count(matcher, (to - from) / BYTES_PER_STEP);
}

struct place {
    const struct item *item;
    const char *at;
    size_t retry_count;
};

static bool fits(const struct matcher *matcher, const struct item *item, const char *at) {
    if (at >= matcher->end) {
        return false;
    }
    unsigned char byte = (unsigned char)*at;
    switch (item->kind) {
    case ITEM_BYTE:
        return byte == item->a;
    case ITEM_SET:
        return set_has(&matcher->pattern->sets[item->set], byte);
    default:
        return true;
    }
}

static const char *run_end(struct matcher *matcher, const struct item *item, const char *at) {
    const char *start = at;
    if (item->kind == ITEM_ANY) {
        at = matcher->end;
    }
    while (fits(matcher, item, at)) {
        at++;
    }
    count_bytes(matcher, start, at);
    return at;
}

static void push_retry(struct matcher *matcher, struct place *place, const char *least) {
    matcher->pattern->retries[place->retry_count++] = (struct retry){place->item, least, place->at};
}

static bool pass_greedy(struct matcher *matcher, struct place *place) {
    const char *least = place->at + (place->item->repeat == '+');
    place->at = run_end(matcher, place->item, place->at);
    if (place->at > least) {
        push_retry(matcher, place, least);
    }
    return place->at >= least;
}

/* A single: a byte, any byte or a set, with what repeats it. */
static bool pass_single(struct matcher *matcher, struct place *place) {
    bool fit;
    switch (place->item->repeat) {
    case '*':
    case '+':
        return pass_greedy(matcher, place);
    case '-':
        push_retry(matcher, place, NULL);
        return true;
    case '?':
        if (fits(matcher, place->item, place->at)) {
            place->at++;
            push_retry(matcher, place, place->at - 1);
        }
        return true;
    default:
        fit = fits(matcher, place->item, place->at);
        place->at += fit;
        return fit;
    }
}

static bool pass_balance(struct matcher *matcher, struct place *place) {
    const char *at = place->at;
    char open = (char)place->item->a, close = (char)place->item->b;
    if (at >= matcher->end || *at != open) {
        return false;
    }
    size_t depth = 1;
    while (depth > 0 && ++at < matcher->end) {
        if (*at == close) {
            depth--;
        } else if (*at == open) {
            depth++;
        }
    }
    count_bytes(matcher, place->at, at);
    place->at = at + 1;
    return depth == 0;
}

static bool pass_frontier(struct matcher *matcher, struct place *place) {
    const struct byte_set *set = &matcher->pattern->sets[place->item->set];
    char before = place->at == matcher->begin ? '\0' : place->at[-1];
    char here = place->at < matcher->end ? *place->at : '\0';
    return !set_has(set, (unsigned char)before) && set_has(set, (unsigned char)here);
}

/* A position has no text that could come again. */
static bool pass_back(struct matcher *matcher, struct place *place) {
    const struct capture *capture = &matcher->captures[place->item->a];
    size_t left = (size_t)(matcher->end - place->at);
    if (capture->is_position || capture->length > left) {
        return false;
    }
    count(matcher, (int64_t)capture->length / VM_BYTES_A_STEP);
    if (memcmp(capture->start, place->at, capture->length) != 0) {
        return false;
    }
    place->at += capture->length;
    return true;
}

static bool pass(struct matcher *matcher, struct place *place) {
    struct capture *capture = &matcher->captures[place->item->a % PATTERN_CAPTURES];
    switch ((enum item_kind)place->item->kind) {
    case ITEM_BYTE:
    case ITEM_ANY:
    case ITEM_SET:
        return pass_single(matcher, place);
    case ITEM_OPEN:
    case ITEM_POSITION:
        *capture = (struct capture){place->at, 0, place->item->kind == ITEM_POSITION};
        return true;
    case ITEM_CLOSE:
        capture->length = (size_t)(place->at - capture->start);
        return true;
    case ITEM_BACK:
        return pass_back(matcher, place);
    case ITEM_BALANCE:
        return pass_balance(matcher, place);
    case ITEM_FRONTIER:
        return pass_frontier(matcher, place);
    case ITEM_END:
        return place->at == matcher->end;
    case ITEM_DONE:
        break;
    }
    return true;
}

/* Takes up the newest retry: one byte less of a greedy run, one more of a lazy one. */
static bool retry(struct matcher *matcher, struct place *place) {
    while (place->retry_count > 0) {
        struct retry *newest = &matcher->pattern->retries[place->retry_count - 1];
        bool lazy = newest->least == NULL;
        bool ok = lazy ? fits(matcher, newest->item, newest->at) : newest->at > newest->least;
        if (ok) {
            newest->at += lazy ? 1 : -1;
            place->item = newest->item;
            place->at = newest->at;
            return true;
        }
        place->retry_count--;
    }
    return false;
}

/* The end of the match that begins at `at`, or NULL. */
static const char *match_at(struct matcher *matcher, const char *at) {
    struct place place = {matcher->pattern->items, at, 0};
    while (place.item->kind != ITEM_DONE) {
        count(matcher, 1);
        if (!pass(matcher, &place) && !retry(matcher, &place)) {
            return NULL;
        }
        place.item++;
    }
    return place.at;
}

/* The byte with which every match begins, or -1. */
static int first_byte(const struct pattern *pattern) {
    const struct item *item = pattern->items;
    while (item->kind == ITEM_OPEN || item->kind == ITEM_POSITION) {
        item++;
    }
    bool needed = item->kind == ITEM_BYTE && (item->repeat == '\0' || item->repeat == '+');
    return needed && !pattern->anchored ? item->a : -1;
}

/* The next place where a match may begin; NULL: none. */
static const char *next_start(struct matcher *matcher, const char *from, int first) {
    if (first < 0) {
        return from <= matcher->end ? from : NULL;
    }
    if (from >= matcher->end) {
        return NULL;
    }
    const char *found = memchr(from, first, (size_t)(matcher->end - from));
    count_bytes(matcher, from, found != NULL ? found : matcher->end);
    return found;
}

bool matcher_search(struct matcher *matcher, const char *from, const char *not_end,
                    struct text *found) {
    int first = first_byte(matcher->pattern);
    const char *start = next_start(matcher, from, first);
    while (start != NULL) {
        const char *end = match_at(matcher, start);
        if (end != NULL && end != not_end) {
            *found = (struct text){start, (size_t)(end - start)};
            return true;
        }
        start = matcher->pattern->anchored ? NULL : next_start(matcher, start + 1, first);
    }
    return false;
}
