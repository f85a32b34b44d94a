/* keyring.c: lines are cut one by one; a secret is never in a message. */
#include "privacy/keyring.h"

#include <errno.h>
#include <stdio.h>

#include "base/digest.h"

#define FILE_BYTES_MOST ((size_t)64 * 1024)

bool keyring_fits(struct text secret, struct text file, struct fault *fault) {
    if (secret.length > 0 && file.length > 0) {
        return fault_set(fault, FAULT_USAGE,
                         "--pii-key and --pii-keys exclude each other: put the secret into the "
                         "file too");
    }
    return secret.length == 0 || secret.length >= KEYRING_SECRET_LEAST ||
           fault_set(fault, FAULT_USAGE,
                     "--pii-key is shorter than %d bytes, so who sees a hash could guess what it "
                     "hides; make one with: openssl rand -hex 32",
                     KEYRING_SECRET_LEAST);
}

struct keyring keyring_of_secret(struct arena *arena, struct text secret) {
    struct hash_key *key = ARENA_NEW(arena, struct hash_key);
    *key = (struct hash_key){TEXT_NONE, text_copy(arena, secret)};
    return (struct keyring){key, 1};
}

/* --- the file --- */

struct reading {
    struct text path;
    int line;
    struct hash_key *keys;
    size_t count;
    struct problem_list *problems;
};

static void report(const struct reading *reading, const char *message) {
    problem_add(reading->problems, reading->path, reading->line, text_of(message));
}

static bool read_stream(FILE *stream, struct arena *arena, struct text *out) {
    char *bytes = arena_alloc(arena, FILE_BYTES_MOST + 1);
    *out = (struct text){bytes, fread(bytes, 1, FILE_BYTES_MOST + 1, stream)};
    return ferror(stream) == 0;
}

static bool read_file(const struct reading *reading, struct arena *arena, struct text *out) {
    FILE *stream = fopen(text_cstring(arena, reading->path), "re");
    bool read = stream != NULL && read_stream(stream, arena, out);
    int error = errno;
    if (stream != NULL) {
        fclose(stream);
    }
    if (!read) {
        problem_add(reading->problems, reading->path, 0,
                    text_print(reading->problems->arena, "the key file cannot be read: %s",
                               strerror(error)));
        return false;
    }
    if (out->length > FILE_BYTES_MOST) {
        report(reading, "the key file is over 64 KiB");
        return false;
    }
    return true;
}

static bool is_space(char c) {
    return c == ' ' || c == '\t' || c == '\r';
}

static struct text trim(struct text text) {
    while (text.length > 0 && is_space(text.bytes[0])) {
        text.bytes++;
        text.length--;
    }
    while (text.length > 0 && is_space(text.bytes[text.length - 1])) {
        text.length--;
    }
    return text;
}

/* Cuts what is before the next `stop`, or before a space when that is 0, off the text. */
static struct text cut(struct text *text, char stop) {
    size_t length = 0;
    while (length < text->length &&
           (stop != 0 ? text->bytes[length] != stop : !is_space(text->bytes[length]))) {
        length++;
    }
    struct text part = {text->bytes, length};
    size_t used = length < text->length ? length + 1 : length;
    *text = (struct text){text->bytes + used, text->length - used};
    return part;
}

static bool is_id(struct text id) {
    for (size_t i = 0; i < id.length; i++) {
        char c = id.bytes[i];
        bool fine = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                    c == '-' || c == '_';
        if (!fine) {
            return false;
        }
    }
    return id.length > 0 && id.length <= KEYRING_ID_MOST;
}

static bool is_taken(const struct reading *reading, struct text id) {
    for (size_t i = 0; i < reading->count; i++) {
        if (text_equal(reading->keys[i].id, id)) {
            return true;
        }
    }
    return false;
}

/* NULL, or what is wrong. */
static const char *wrong_key(const struct reading *reading, struct text id, struct text secret) {
    if (!is_id(id)) {
        return "expected a key's id, 1 to 64 of letters, digits, '-' and '_', a space, and its "
               "secret";
    }
    if (secret.length < KEYRING_SECRET_LEAST) {
        return "the secret is shorter than 16 bytes; make one with: openssl rand -hex 32";
    }
    if (memchr(secret.bytes, ' ', secret.length) != NULL ||
        memchr(secret.bytes, '\t', secret.length) != NULL) {
        return "the secret has a space in it; a line is an id and a secret";
    }
    if (is_taken(reading, id)) {
        return "a key above has the same id; each needs its own";
    }
    return reading->count == KEYRING_MOST ? "there are more than 100 keys" : NULL;
}

static void read_line(struct reading *reading, struct text line) {
    struct text rest = trim(line);
    if (rest.length == 0 || rest.bytes[0] == '#') {
        return;
    }
    struct text id = cut(&rest, 0), secret = trim(rest);
    const char *wrong = wrong_key(reading, id, secret);
    if (wrong != NULL) {
        report(reading, wrong);
    } else {
        reading->keys[reading->count++] = (struct hash_key){id, secret};
    }
}

void keyring_read(struct text path, struct arena *arena, struct keyring *out,
                  struct problem_list *problems) {
    struct text text = TEXT_NONE;
    struct reading reading = {.path = text_copy(problems->arena, path), .problems = problems};
    size_t before = problems->count;
    reading.keys = ARENA_ARRAY(arena, struct hash_key, KEYRING_MOST);
    if (!read_file(&reading, arena, &text)) {
        return;
    }
    while (text.length > 0) {
        reading.line++;
        read_line(&reading, cut(&text, '\n'));
    }
    if (reading.count == 0 && problems->count == before) {
        reading.line = 0;
        report(&reading, "there is no key in the file; expected lines 'id secret'");
    }
    *out = (struct keyring){reading.keys, reading.count};
}

bool keyring_equal(const struct keyring *a, const struct keyring *b) {
    bool same = a->count == b->count;
    for (size_t i = 0; same && i < a->count; i++) {
        same = text_equal(a->keys[i].id, b->keys[i].id) &&
               digest_equal(a->keys[i].secret, b->keys[i].secret);
    }
    return same;
}

/* --- hashes --- */

struct text keyring_hash(const struct hash_key *key, struct arena *arena, struct text text) {
    unsigned char digest[DIGEST_BYTES];
    size_t prefix = text_given(key->id) ? key->id.length + 1 : 0;
    char *out = arena_alloc(arena, prefix + DIGEST_HEX);
    if (prefix > 0) {
        memcpy(out, key->id.bytes, key->id.length);
        out[prefix - 1] = ':';
    }
    digest_hmac(key->secret, text, digest);
    digest_hex(digest, sizeof digest, out + prefix);
    return (struct text){out, prefix + DIGEST_HEX};
}

static bool is_hex(struct text text) {
    unsigned char digest[DIGEST_BYTES];
    return text.length == DIGEST_HEX && digest_of_hex(text, digest, sizeof digest);
}

bool keyring_has_made(const struct keyring *keyring, struct text text, bool again) {
    const char *colon = memchr(text.bytes, ':', text.length);
    if (colon == NULL) {
        return again && !text_given(keyring->keys[0].id) && is_hex(text);
    }
    struct text id = {text.bytes, (size_t)(colon - text.bytes)};
    struct text hex = {colon + 1, text.length - id.length - 1};
    for (size_t i = 0; i < keyring->count; i++) {
        if (text_given(keyring->keys[i].id) && text_equal(keyring->keys[i].id, id)) {
            return is_hex(hex);
        }
    }
    return false;
}
