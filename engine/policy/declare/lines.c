/* lines.c: a tokenizer for Lua's lexical rules (strings, long brackets, comments), and a walk over
 * table constructors that knows nothing of expressions but how they nest. What it cannot follow it
 * does not find, and then the line of the enclosing key is the answer. */
#include "policy/declare/lines.h"

#define LOCAL_HOPS_MOST 4 /* a local that is a local that is a local... */

enum token_type { TOKEN_END, TOKEN_WORD, TOKEN_STRING, TOKEN_NUMBER, TOKEN_SIGN };

struct token {
    enum token_type type;
    struct text text; /* of a string: what is between the quotes, escapes as written */
    int line;
    int nesting; /* +1: opens brackets or a block, -1: closes them */
};

struct scanner {
    const char *at, *end;
    int line;
};

void lines_init(struct lines *lines, struct arena *arena, struct text text) {
    *lines = (struct lines){.arena = arena, .text = text};
}

/* --- tokens --- */

static bool is_digit(char c) {
    return c >= '0' && c <= '9';
}

static bool is_word(char c) {
    return is_digit(c) || c == '_' || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static char peek(const struct scanner *scanner, size_t ahead) {
    return (size_t)(scanner->end - scanner->at) > ahead ? scanner->at[ahead] : '\0';
}

static void advance(struct scanner *scanner) {
    scanner->line += *scanner->at == '\n';
    scanner->at++;
}

/* The level of the long bracket that opens here ("[[" is 0, "[=[" is 1), or -1. */
static int long_bracket(const struct scanner *scanner) {
    size_t level = 0;
    if (peek(scanner, 0) != '[') {
        return -1;
    }
    while (peek(scanner, level + 1) == '=') {
        level++;
    }
    return peek(scanner, level + 1) == '[' ? (int)level : -1;
}

static bool closes_at(const struct scanner *scanner, int level) {
    for (int i = 0; i < level; i++) {
        if (peek(scanner, (size_t)i + 1) != '=') {
            return false;
        }
    }
    return peek(scanner, 0) == ']' && peek(scanner, (size_t)level + 1) == ']';
}

static struct text scan_long(struct scanner *scanner, int level) {
    scanner->at += level + 2;
    const char *start = scanner->at;
    while (scanner->at < scanner->end && !closes_at(scanner, level)) {
        advance(scanner);
    }
    struct text inside = {start, (size_t)(scanner->at - start)};
    scanner->at = scanner->at < scanner->end ? scanner->at + level + 2 : scanner->end;
    return inside;
}

static struct text scan_quoted(struct scanner *scanner) {
    char quote = *scanner->at++;
    const char *start = scanner->at;
    while (scanner->at < scanner->end && *scanner->at != quote && *scanner->at != '\n') {
        if (*scanner->at == '\\' && scanner->end - scanner->at > 1) {
            advance(scanner);
        }
        advance(scanner);
    }
    struct text inside = {start, (size_t)(scanner->at - start)};
    if (scanner->at < scanner->end && *scanner->at == quote) {
        scanner->at++;
    }
    return inside;
}

static void skip_comment(struct scanner *scanner) {
    scanner->at += 2;
    int level = long_bracket(scanner);
    if (level >= 0) {
        scan_long(scanner, level);
        return;
    }
    while (scanner->at < scanner->end && *scanner->at != '\n') {
        scanner->at++;
    }
}

static void skip_blank(struct scanner *scanner) {
    while (scanner->at < scanner->end) {
        if (peek(scanner, 0) == '-' && peek(scanner, 1) == '-') {
            skip_comment(scanner);
        } else if ((unsigned char)*scanner->at <= ' ') {
            advance(scanner);
        } else {
            return;
        }
    }
}

static struct text scan_word(struct scanner *scanner) {
    const char *start = scanner->at;
    while (scanner->at < scanner->end && is_word(*scanner->at)) {
        scanner->at++;
    }
    return (struct text){start, (size_t)(scanner->at - start)};
}

/* One character, or one and '=': only "=" itself must not be taken for a part of "==". */
static struct text scan_sign(struct scanner *scanner) {
    size_t length = peek(scanner, 1) == '=' && strchr("=~<>", *scanner->at) != NULL ? 2 : 1;
    struct text sign = {scanner->at, length};
    scanner->at += length;
    return sign;
}

static struct token next_token(struct scanner *scanner) {
    skip_blank(scanner);
    struct token token = {.line = scanner->line};
    if (scanner->at >= scanner->end) {
        return token;
    }
    int level = long_bracket(scanner);
    if (level >= 0 || *scanner->at == '"' || *scanner->at == '\'') {
        token.type = TOKEN_STRING;
        token.text = level >= 0 ? scan_long(scanner, level) : scan_quoted(scanner);
    } else if (is_word(*scanner->at)) {
        token.type = is_digit(*scanner->at) ? TOKEN_NUMBER : TOKEN_WORD;
        token.text = scan_word(scanner);
    } else {
        token.type = TOKEN_SIGN;
        token.text = scan_sign(scanner);
    }
    return token;
}

static bool is_sign(const struct token *token, char sign) {
    return token->type == TOKEN_SIGN && token->text.length == 1 && token->text.bytes[0] == sign;
}

static bool is_keyword(const struct token *token, const char *word) {
    return token->type == TOKEN_WORD && text_equal(token->text, text_of(word));
}

static int nesting_of(const struct token *token) {
    static const char *const openers[] = {"function", "do", "if", "repeat"};
    if (token->type == TOKEN_SIGN && token->text.length == 1) {
        char sign = token->text.bytes[0];
        return (strchr("{([", sign) != NULL) - (strchr("})]", sign) != NULL);
    }
    if (is_keyword(token, "end") || is_keyword(token, "until")) {
        return -1;
    }
    for (size_t i = 0; i < sizeof openers / sizeof openers[0]; i++) {
        if (is_keyword(token, openers[i])) {
            return 1;
        }
    }
    return 0;
}

static void tokenize(struct lines *lines) {
    struct scanner scanner = {lines->text.bytes, lines->text.bytes + lines->text.length, 1};
    size_t capacity = 0;
    struct token token;
    do {
        if (lines->token_count == capacity) {
            capacity = capacity == 0 ? 256 : capacity * 2;
            struct token *tokens = ARENA_ARRAY(lines->arena, struct token, capacity);
            if (lines->token_count > 0) {
                memcpy(tokens, lines->tokens, lines->token_count * sizeof *tokens);
            }
            lines->tokens = tokens;
        }
        token = next_token(&scanner);
        token.nesting = nesting_of(&token);
        lines->tokens[lines->token_count++] = token;
    } while (token.type != TOKEN_END);
}

/* --- tables --- */

/* The first token of the next field, or the one that ends the table. */
static const struct token *skip_field(const struct token *token) {
    for (int depth = 0; token->type != TOKEN_END; token++) {
        if (depth == 0 && (is_sign(token, ',') || is_sign(token, ';'))) {
            return token + 1;
        }
        if (depth == 0 && is_sign(token, '}')) {
            return token;
        }
        depth += token->nesting;
    }
    return token;
}

struct entry {
    struct text name;          /* TEXT_NONE: positional */
    const struct token *value; /* its first token */
};

/* Each token that is looked at is one that is not the end, so that there is a next. */
static struct entry read_entry(const struct token *token) {
    if (token->type == TOKEN_WORD && is_sign(token + 1, '=')) {
        return (struct entry){token->text, token + 2};
    }
    bool is_bracketed = is_sign(token, '[') && token[1].type == TOKEN_STRING &&
                        is_sign(token + 2, ']') && is_sign(token + 3, '=');
    return is_bracketed ? (struct entry){token[1].text, token + 4}
                        : (struct entry){TEXT_NONE, token};
}

static bool is_wanted(const struct key_path *path, const struct entry *entry, size_t position) {
    if (text_given(path->name)) {
        return text_given(entry->name) && text_equal(entry->name, path->name);
    }
    return !text_given(entry->name) && position == path->position;
}

/* The value after "local name =", when there is one. */
static const struct token *value_of_local(const struct lines *lines, struct text name) {
    for (const struct token *token = lines->tokens; token->type != TOKEN_END; token++) {
        if (is_keyword(token, "local") && token[1].type == TOKEN_WORD &&
            text_equal(token[1].text, name) && is_sign(token + 2, '=')) {
            return token + 3;
        }
    }
    return NULL;
}

/* The '{' of the table that a value is, or NULL. */
static const struct token *table_at(const struct lines *lines, const struct token *value) {
    for (int hops = 0; value != NULL && hops < LOCAL_HOPS_MOST; hops++) {
        if (is_sign(value, '{')) {
            return value;
        }
        if (value->type != TOKEN_WORD) {
            return NULL;
        }
        value = value_of_local(lines, value->text);
    }
    return NULL;
}

/* Finds the path's last part below `root`: its line in *line, its value as the result. */
static const struct token *locate(const struct lines *lines, const struct token *root,
                                  const struct key_path *path, int *line) {
    if (path == NULL) {
        return root;
    }
    const struct token *table = table_at(lines, locate(lines, root, path->parent, line));
    if (table == NULL) {
        return NULL;
    }
    size_t position = 0;
    for (const struct token *token = table + 1; token->type != TOKEN_END && !is_sign(token, '}');
         token = skip_field(token)) {
        struct entry entry = read_entry(token);
        position += !text_given(entry.name);
        if (is_wanted(path, &entry, position)) {
            *line = token->line;
            return entry.value;
        }
    }
    return NULL;
}

/* The value that the constructor on `line` was given: the first '{' after it. */
static const struct token *declaration_at(const struct lines *lines, struct text constructor,
                                          int line) {
    const struct token *token = lines->tokens;
    while (token->type != TOKEN_END && (token->line < line || token->type != TOKEN_WORD ||
                                        !text_equal(token->text, constructor))) {
        token++;
    }
    while (token->type != TOKEN_END && !is_sign(token, '{')) {
        token++;
    }
    return token->type != TOKEN_END ? token : NULL;
}

int lines_find(struct lines *lines, struct text constructor, int line,
               const struct key_path *path) {
    if (lines->tokens == NULL) {
        tokenize(lines);
    }
    int found = line;
    locate(lines, declaration_at(lines, constructor, line), path, &found);
    return found;
}
