/* PGP words while they are typed: the list, completion, and what is wrong with each. */
#pragma once
#include <glib.h>

#define WORDS_WANTED 8                  /* a challenge: 64 bits */

typedef enum { WORD_RIGHT, WORD_BEGUN, WORD_UNKNOWN, WORD_WRONG_PARITY, WORD_TOO_MANY } WordState;
typedef struct { char *text; WordState state; char *candidates; } TypedWord;   /* candidates of BEGUN: the words that begin so, separated by a space */

/* The words of @text, separated by white space, hyphens or commas. The last one is only begun while no separator follows. Array of TypedWord *, freed with it. */
GPtrArray *words_typed (const char *text);
/* What Tab appends to @text: the rest of the word and a space where one word of the right parity begins so, what the candidates share where several do. g_free. */
char      *words_complete (const char *text);
/* NULL where @text is WORDS_WANTED right words; else what is wrong, in a sentence. g_free. */
char      *words_problem (const char *text);
