/* source.c: a scanner for one defect of Lua 5.4.4. To say "field 'x'" in an error message,
 * getobjname in ldebug.c calls itself once for each link of `a.b.c...`, and reads the function from
 * its start each time. A line of 100,000 links is a segmentation fault, of 10,000 links 54 ms that
 * no hook can stop. (Fixed in 5.4.7 by commit 7923dbbf.) No sane policy has more than a few links.
 *
 * The tokens are those of the manual's section 3.1. What matters of them:
 *  1. '.' and '[' add a link. So do the links within brackets, `a[b.c].d`, as they are followed
 * too.
 *  2. Anything that is no index ends the chain: operators, keywords, calls, constructors, and a
 *     name that begins a statement.
 *  3. Parentheses around an expression do not end it: `(a.b).c` is one chain. */
#include "lua/source.h"

struct frame {
    bool ends_chain; /* a call or a constructor, not brackets of an expression */
    int base;        /* the links of the chain that the brackets are part of */
};

struct scanner {
    const char *at, *end;
    const char *name;
    int line;
    int links;
    bool after_value; /* the last token may end an expression */
    int depth;
    struct frame frames[SOURCE_MOST_NESTED + 1];
};

static bool is_digit(char c) {
    return c >= '0' && c <= '9';
}

static bool is_letter(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

static bool is_hex_digit(char c) {
    return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

static char peek(const struct scanner *scanner, size_t ahead) {
    return (size_t)(scanner->end - scanner->at) > ahead ? scanner->at[ahead] : '\0';
}

static void step(struct scanner *scanner) {
    if (scanner->at < scanner->end) {
        scanner->line += *scanner->at == '\n';
        scanner->at++;
    }
}

static void end_chain(struct scanner *scanner) {
    scanner->links = scanner->frames[scanner->depth].base;
    scanner->after_value = false;
}

/* The number of '=' in a long bracket "[==[" that begins here; -1 when none does. */
static int long_bracket(const struct scanner *scanner, char bracket) {
    size_t level = 0;
    if (peek(scanner, 0) != bracket) { /* first, lest the '=' be counted from each of them */
        return -1;
    }
    while (peek(scanner, level + 1) == '=') {
        level++;
    }
    return peek(scanner, level + 1) == bracket ? (int)level : -1;
}

static void skip_long(struct scanner *scanner, int level) {
    while (scanner->at < scanner->end && long_bracket(scanner, ']') != level) {
        step(scanner);
    }
    for (int i = 0; i < level + 2; i++) {
        step(scanner);
    }
}

static void skip_comment(struct scanner *scanner) {
    scanner->at += 2;
    int level = long_bracket(scanner, '[');
    if (level >= 0) {
        scanner->at += level + 2;
        skip_long(scanner, level);
        return;
    }
    while (scanner->at < scanner->end && *scanner->at != '\n' && *scanner->at != '\r') {
        step(scanner);
    }
}

/* "\z" skips the white space after it; any other escape hides at most the next character. */
static void skip_escape(struct scanner *scanner) {
    step(scanner);
    bool skips_space = peek(scanner, 0) == 'z';
    step(scanner);
    while (skips_space && scanner->at < scanner->end && strchr(" \t\n\v\f\r", *scanner->at)) {
        step(scanner);
    }
}

static void skip_quoted(struct scanner *scanner) {
    char quote = *scanner->at;
    step(scanner);
    while (scanner->at < scanner->end && *scanner->at != quote) {
        if (*scanner->at == '\\') {
            skip_escape(scanner);
        } else {
            step(scanner);
        }
    }
    step(scanner);
    scanner->after_value = true;
}

static void skip_number(struct scanner *scanner) {
    bool hex = peek(scanner, 0) == '0' && (peek(scanner, 1) == 'x' || peek(scanner, 1) == 'X');
    scanner->at += hex ? 2 : 1;
    for (char c = peek(scanner, 0); c != '\0'; c = peek(scanner, 0)) {
        bool exponent = hex ? c == 'p' || c == 'P' : c == 'e' || c == 'E';
        if (!exponent && !is_hex_digit(c) && c != '.') {
            break;
        }
        scanner->at++;
        if (exponent && (peek(scanner, 0) == '+' || peek(scanner, 0) == '-')) {
            scanner->at++;
        }
    }
    scanner->after_value = true;
}

static bool is_keyword(struct text word) {
    static const struct text keywords[] = {
        TEXT("and"),   TEXT("break"),  TEXT("do"),     TEXT("else"),     TEXT("elseif"),
        TEXT("end"),   TEXT("false"),  TEXT("for"),    TEXT("function"), TEXT("goto"),
        TEXT("if"),    TEXT("in"),     TEXT("local"),  TEXT("nil"),      TEXT("not"),
        TEXT("or"),    TEXT("repeat"), TEXT("return"), TEXT("then"),     TEXT("true"),
        TEXT("until"), TEXT("while"),
    };
    for (size_t i = 0; i < sizeof keywords / sizeof keywords[0]; i++) {
        if (text_equal(word, keywords[i])) {
            return true;
        }
    }
    return false;
}

static void skip_word(struct scanner *scanner) {
    struct text word = {scanner->at, 0};
    while (is_letter(peek(scanner, word.length)) || is_digit(peek(scanner, word.length))) {
        word.length++;
    }
    scanner->at += word.length;
    bool keyword = is_keyword(word);
    if (keyword || scanner->after_value) {
        end_chain(scanner);
    }
    scanner->after_value = !keyword;
}

static bool fail(const struct scanner *scanner, const char *why, struct fault *fault) {
    return fault_set(fault, FAULT_POLICY_ERROR, "%s:%d: %s", scanner->name, scanner->line, why);
}

static bool add_link(struct scanner *scanner, struct fault *fault) {
    scanner->links++;
    scanner->after_value = false;
    if (scanner->links > SOURCE_MOST_CHAIN) {
        return fail(scanner, "indexes in a chain of over 64 links", fault);
    }
    return true;
}

static bool open_bracket(struct scanner *scanner, bool ends_chain, struct fault *fault) {
    if (scanner->depth == SOURCE_MOST_NESTED) {
        return fail(scanner, "nests brackets over 200 levels deep", fault);
    }
    if (ends_chain) {
        end_chain(scanner);
    }
    int base = ends_chain ? 0 : scanner->links;
    scanner->frames[++scanner->depth] = (struct frame){ends_chain, base};
    scanner->links = base;
    scanner->after_value = false;
    return true;
}

static void close_bracket(struct scanner *scanner) {
    bool ends_chain = scanner->frames[scanner->depth].ends_chain;
    if (scanner->depth > 0) {
        scanner->depth--;
    }
    if (ends_chain) {
        end_chain(scanner);
    }
    scanner->after_value = true;
}

static bool scan_mark(struct scanner *scanner, struct fault *fault) {
    char mark = *scanner->at;
    step(scanner);
    switch (mark) {
    case '[':
        return add_link(scanner, fault) && open_bracket(scanner, false, fault);
    case '(': /* after a value it is a call */
        return open_bracket(scanner, scanner->after_value, fault);
    case '{':
        return open_bracket(scanner, true, fault);
    case ')':
    case ']':
    case '}':
        close_bracket(scanner);
        return true;
    case '.':
        if (peek(scanner, 0) != '.') {
            return add_link(scanner, fault);
        }
        break;
    default:
        break;
    }
    while (mark == '.' && peek(scanner, 0) == '.') {
        step(scanner);
    }
    end_chain(scanner);
    return true;
}

static bool scan_token(struct scanner *scanner, struct fault *fault) {
    char c = peek(scanner, 0);
    if (strchr(" \t\n\v\f\r", c) != NULL) { /* a NUL is no token either */
        step(scanner);
    } else if (c == '-' && peek(scanner, 1) == '-') {
        skip_comment(scanner);
    } else if (c == '[' && long_bracket(scanner, '[') >= 0) {
        int level = long_bracket(scanner, '[');
        scanner->at += level + 2;
        skip_long(scanner, level);
        scanner->after_value = true;
    } else if (c == '"' || c == '\'') {
        skip_quoted(scanner);
    } else if (is_digit(c) || (c == '.' && is_digit(peek(scanner, 1)))) {
        skip_number(scanner);
    } else if (is_letter(c)) {
        skip_word(scanner);
    } else {
        return scan_mark(scanner, fault);
    }
    return true;
}

bool source_check(struct text source, const char *name, struct fault *fault) {
    if (source.length > SOURCE_MOST_BYTES) {
        return fault_set(fault, FAULT_POLICY_ERROR, "%s: longer than 1 MiB", name);
    }
    struct scanner scanner = {
        .at = source.bytes, .end = source.bytes + source.length, .name = name, .line = 1};
    while (scanner.at < scanner.end) {
        if (!scan_token(&scanner, fault)) {
            return false;
        }
    }
    return true;
}
