/* app_table.h: an application's own table, in which the state and the data of a machine's entities
 * live. Pure data; made by the policy that says `table = {...}`. */
#ifndef STATUTE_APP_TABLE_H
#define STATUTE_APP_TABLE_H

#include "base/text.h"

/* What a JSON value of a field is in a database that has no such type: SQLite keeps a boolean as 1
 * or 0, an object or array as its JSON. */
enum app_value { APP_PLAIN, APP_BOOLEAN, APP_JSON };

struct app_column {
    struct text field;  /* of the entity's data */
    struct text column; /* of the table */
    enum app_value value;
};

struct app_table {
    struct text name;    /* "activity_jobneed", or with its schema: "public.activity_jobneed" */
    struct text id;      /* a column with a unique index; as text it is the entity's id */
    struct text state;   /* column */
    struct text version; /* column, of an integer; TEXT_NONE: there is none */
    const struct app_column *columns;
    size_t column_count;
};

#define APP_COLUMNS_MOST 90
#define APP_NAME_MOST    63 /* bytes of one name: PostgreSQL cuts longer ones */

#endif
