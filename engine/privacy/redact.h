/* redact.h: finds personal data in free text by its form. Pure, linear in the length of the text.
 */
#ifndef STATUTE_REDACT_H
#define STATUTE_REDACT_H

#include "base/arena.h"
#include "base/text.h"

enum redact_pattern {
    REDACT_EMAIL = 1, /* "[email]" */
    REDACT_CARD = 2,  /* "[card]": the number of a payment card (card.h) */
    REDACT_SSN = 4,   /* "[ssn]": ddd-dd-dddd */
    REDACT_PHONE =
        8, /* "[phone]": 10..15 digits, or 7..15 after a '+', with spaces, dots, dashes, brackets */
    REDACT_IBAN = 16, /* "[iban]": 15..34 letters and digits whose check digits are right */
};

#define REDACT_PATTERN_COUNT 5
extern const struct text redact_names[REDACT_PATTERN_COUNT]; /* bit i is name i */

/* The text with what was found replaced; `text` itself when nothing was. */
struct text redact(struct arena *arena, struct text text, unsigned patterns);

#endif
