/* redact.h: finds personal data in free text by its form. Pure, linear in the length of the text.
 */
#ifndef STATUTE_REDACT_H
#define STATUTE_REDACT_H

#include "base/arena.h"
#include "base/text.h"

enum redact_pattern {
    REDACT_EMAIL = 1, /* "[email]" */
    REDACT_CARD = 2,  /* "[card]": 13..19 digits, in groups with spaces, dashes or dots between or
                         not, whose Luhn sum is right */
    REDACT_SSN = 4,   /* "[ssn]": ddd-dd-dddd */
    REDACT_PHONE =
        8, /* "[phone]": 10..15 digits, or 7..15 after a '+', with spaces, dots, dashes, brackets */
    REDACT_IBAN = 16, /* "[iban]": 15..34 letters and digits whose check digits are right */
};

#define REDACT_PATTERN_COUNT 5
extern const struct text redact_names[REDACT_PATTERN_COUNT]; /* bit i is name i */

/* Whether a number that is no text, as JSON prints it, is a card: 13 to 19 digits, the first 2 to
 * 6, by Luhn. */
bool redact_is_card(struct text number);

/* The text with what was found replaced; `text` itself when nothing was. */
struct text redact(struct arena *arena, struct text text, unsigned patterns);

#endif
