/* entity.c: what entities, machines and states may be called. */
#include "model/entity.h"

#define NAME_MOST 100

/* U+0080..U+009F, in UTF-8 C2 80..9F. */
static bool is_late_control(const unsigned char *bytes) {
    return bytes[0] == 0xC2 && bytes[1] < 0xA0;
}

static bool has_control(struct text text) {
    const unsigned char *bytes = (const unsigned char *)text.bytes;
    for (size_t i = 0; i < text.length; i++) {
        if (text_is_control(text.bytes[i]) || (i + 1 < text.length && is_late_control(bytes + i))) {
            return true;
        }
    }
    return false;
}

static bool is_printable(struct text text, size_t most_bytes) {
    return text.length >= 1 && text.length <= most_bytes && text_is_utf8(text) &&
           !has_control(text);
}

struct text entity_data_json(struct arena *arena, const struct entity *entity) {
    return text_given(entity->data_json) ? entity->data_json : js_print(arena, entity->data);
}

bool entity_is_id(struct text id) {
    return is_printable(id, ENTITY_ID_MOST) && !text_equal(id, TEXT(".")) &&
           !text_equal(id, TEXT(".."));
}

bool entity_is_state(struct text name) {
    return is_printable(name, NAME_MOST) && name.bytes[0] != ' ' &&
           name.bytes[name.length - 1] != ' ';
}

static bool is_name_start(char character) {
    return (character >= 'A' && character <= 'Z') || (character >= 'a' && character <= 'z') ||
           character == '_';
}

static bool is_name_part(char character) {
    return is_name_start(character) || (character >= '0' && character <= '9') || character == '-' ||
           character == '.';
}

bool entity_is_name(struct text name) {
    if (name.length < 1 || name.length > NAME_MOST || !is_name_start(name.bytes[0])) {
        return false;
    }
    for (size_t i = 1; i < name.length; i++) {
        if (!is_name_part(name.bytes[i])) {
            return false;
        }
    }
    return true;
}
