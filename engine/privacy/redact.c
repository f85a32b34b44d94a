/* redact.c: one pass, and another where something was found. At each byte every wanted pattern that
 * could begin there is tried; each try looks ahead over a bounded number of bytes, but for an
 * e-mail address, whose runs are looked at once from their start (`email_from` says where the next
 * may begin). So the whole is linear. */
#include "privacy/redact.h"

#include "base/buffer.h"
#include "privacy/card.h"

#define PASSES_MOST      4
#define IBAN_LEAST       15
#define IBAN_MOST        34
#define PHONE_LEAST      10
#define PHONE_LEAST_PLUS 7
#define PHONE_MOST       15

const struct text redact_names[REDACT_PATTERN_COUNT] = {
    {"email", 5}, {"card", 4}, {"ssn", 3}, {"phone", 5}, {"iban", 4}};

struct scan {
    struct text text;
    unsigned patterns;
    size_t email_from; /* no address begins before this */
};

/* --- characters --- */

static bool is_digit(char c) {
    return c >= '0' && c <= '9';
}

static bool is_alphanumeric(char c) {
    return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/* Letters beyond ASCII count, since addresses may have them. */
static bool is_domain(char c) {
    return is_alphanumeric(c) || c == '-' || c == '.' || (unsigned char)c >= 0x80;
}

static bool is_local(char c) {
    return is_domain(c) || (c != '\0' && strchr("_%+'", c) != NULL);
}

static char byte_at(struct text text, size_t at) {
    return at < text.length ? text.bytes[at] : '\0';
}

static char byte_before(struct text text, size_t at) {
    return at > 0 ? text.bytes[at - 1] : '\0';
}

/* --- patterns: the end of what begins at `at`, or 0 --- */

/* A domain has a dot with something before it and at least two characters after the last. */
static size_t end_of_domain(struct text text, size_t at) {
    size_t end = at, dot = 0;
    while (end < text.length && is_domain(text.bytes[end])) {
        end++;
    }
    while (end > at && (text.bytes[end - 1] == '.' || text.bytes[end - 1] == '-')) {
        end--;
    }
    for (size_t i = at + 1; i < end; i++) {
        dot = text.bytes[i] == '.' ? i : dot;
    }
    return dot > 0 && end - dot > 2 ? end : 0;
}

static size_t end_of_email(struct scan *scan, size_t at) {
    size_t end = at;
    if (at < scan->email_from || !is_local(scan->text.bytes[at])) {
        return 0;
    }
    while (end < scan->text.length && is_local(scan->text.bytes[end])) {
        end++;
    }
    scan->email_from = end;
    return byte_at(scan->text, end) == '@' ? end_of_domain(scan->text, end + 1) : 0;
}

static bool is_separator(char c) {
    return c == ' ' || c == '-' || c == '.' || c == '(' || c == ')' || c == '/';
}

/* Skips up to three separators if a digit follows them. */
static size_t skip_separators(struct text text, size_t at) {
    size_t end = at;
    while (end < text.length && end - at < 3 && is_separator(text.bytes[end])) {
        end++;
    }
    return is_digit(byte_at(text, end)) ? end : at;
}

static bool matches(struct text text, size_t at, const char *form) {
    for (; *form != '\0'; form++, at++) {
        char c = byte_at(text, at);
        if (*form == 'd' ? !is_digit(c) : c != *form) {
            return false;
        }
    }
    return true;
}

/* ISO 13616: letters count as 10 to 35, and the number, its first four characters moved to the end,
 * is 1 modulo 97 (ISO/IEC 7064). */
static unsigned iban_add(unsigned remainder, char c) {
    unsigned value = is_digit(c) ? (unsigned)(c - '0') : (unsigned)((c | 0x20) - 'a') + 10;
    return (remainder * (value > 9 ? 100 : 10) + value) % 97;
}

static bool iban_is_whole(unsigned remainder, const char *head) {
    for (int i = 0; i < 4; i++) {
        remainder = iban_add(remainder, head[i]);
    }
    return remainder == 1;
}

static bool may_begin_iban(struct text text, size_t at) {
    return !is_alphanumeric(byte_before(text, at)) && !is_digit(text.bytes[at]) &&
           at + 1 < text.length && is_alphanumeric(text.bytes[at + 1]) &&
           !is_digit(text.bytes[at + 1]) && matches(text, at + 2, "dd");
}

/* The longest that ends with a word; groups have one space between them. */
static size_t end_of_iban(struct text text, size_t at) {
    const char *head = text.bytes + at;
    size_t found = 0, count = 4;
    unsigned remainder = 0;
    if (!may_begin_iban(text, at)) {
        return 0;
    }
    for (at += 4; count <= IBAN_MOST; at++) {
        bool in_word = is_alphanumeric(byte_at(text, at));
        if (in_word) {
            remainder = iban_add(remainder, text.bytes[at]);
            count++;
            continue;
        }
        found = count >= IBAN_LEAST && iban_is_whole(remainder, head) ? at : found;
        if (byte_at(text, at) != ' ' || !is_alphanumeric(byte_at(text, at + 1))) {
            break;
        }
    }
    return found;
}

static size_t end_of_ssn(struct text text, size_t at) {
    bool found = !is_digit(byte_before(text, at)) && matches(text, at, "ddd-dd-dddd") &&
                 !is_digit(byte_at(text, at + 11));
    return found ? at + 11 : 0;
}

static bool may_begin_phone(struct text text, size_t at) {
    char before = byte_before(text, at);
    return !is_alphanumeric(before) && before != '-' && before != '.' && before != '_' &&
           !matches(text, at, "dddd-dd-dd");
}

static size_t end_of_phone(struct text text, size_t at) {
    bool has_plus = text.bytes[at] == '+';
    int count = 0;
    if (!may_begin_phone(text, at)) {
        return 0;
    }
    at += !is_digit(text.bytes[at]);
    while (is_digit(byte_at(text, at)) && count <= PHONE_MOST) {
        count++;
        at++;
        at = skip_separators(text, at);
    }
    char after = byte_at(text, at);
    bool ends = !is_alphanumeric(after) && after != ':' && after != '@';
    int least = has_plus ? PHONE_LEAST_PLUS : PHONE_LEAST;
    return ends && count >= least && count <= PHONE_MOST ? at : 0;
}

/* --- the pass --- */

static bool wants(const struct scan *scan, enum redact_pattern pattern) {
    return (scan->patterns & (unsigned)pattern) != 0;
}

static size_t end_of_number(const struct scan *scan, size_t at, const char **replacement) {
    size_t end = 0;
    bool is_number = is_digit(scan->text.bytes[at]);
    if (is_number && wants(scan, REDACT_CARD) && (end = card_end(scan->text, at)) > 0) {
        *replacement = "[card]";
    } else if (is_number && wants(scan, REDACT_SSN) && (end = end_of_ssn(scan->text, at)) > 0) {
        *replacement = "[ssn]";
    } else if (wants(scan, REDACT_PHONE) && (end = end_of_phone(scan->text, at)) > 0) {
        *replacement = "[phone]";
    }
    return end;
}

/* The end of what is personal and begins at `at`, or 0; of an account number that is not to be
 * replaced too, lest cards be found in it: *replacement is NULL then. */
static size_t find(struct scan *scan, size_t at, const char **replacement) {
    size_t end = wants(scan, REDACT_EMAIL) ? end_of_email(scan, at) : 0;
    char c = scan->text.bytes[at];
    if (end > 0) {
        *replacement = "[email]";
        return end;
    }
    if ((scan->patterns & (REDACT_IBAN | REDACT_CARD)) != 0 && is_alphanumeric(c) && !is_digit(c) &&
        (end = end_of_iban(scan->text, at)) > 0) {
        *replacement = wants(scan, REDACT_IBAN) ? "[iban]" : NULL;
        return end;
    }
    return is_digit(c) || c == '+' || c == '(' ? end_of_number(scan, at, replacement) : 0;
}

static struct text pass(struct arena *arena, struct text text, unsigned patterns) {
    struct scan scan = {text, patterns, 0};
    struct buffer buffer = {0};
    size_t kept = 0;
    for (size_t at = 0; patterns != 0 && at < text.length;) {
        const char *replacement = NULL;
        size_t end = find(&scan, at, &replacement);
        if (end == 0 || replacement == NULL) {
            at = end == 0 ? at + 1 : end;
            continue;
        }
        if (buffer.arena == NULL) {
            buffer_init(&buffer, arena);
        }
        buffer_add(&buffer, text.bytes + kept, at - kept);
        buffer_add_text(&buffer, text_of(replacement));
        kept = at = end;
    }
    if (buffer.arena == NULL) {
        return text;
    }
    buffer_add(&buffer, text.bytes + kept, text.length - kept);
    return buffer_view(&buffer);
}

/* What was replaced may have hidden the form of what stands before it, so that is looked at again;
 * not for ever, for a text can be made in which each pass uncovers one more. */
struct text redact(struct arena *arena, struct text text, unsigned patterns) {
    const char *before = NULL;
    for (int i = 0; i < PASSES_MOST && text.bytes != before; i++) {
        before = text.bytes;
        text = pass(arena, text, patterns);
    }
    return text;
}
