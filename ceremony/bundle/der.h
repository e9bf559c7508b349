/* DER over (pointer, length): definite, shortest lengths and one-byte tags only, so that a value has one form. What OpenSSL reads leniently is read by this beforehand. */
#pragma once
#include <glib.h>

enum { DER_INTEGER = 0x02, DER_OCTETS = 0x04, DER_NULL = 0x05, DER_OID = 0x06, DER_SEQUENCE = 0x30, DER_SET = 0x31, DER_CONTEXT0 = 0xa0, DER_CONTEXT1 = 0xa1 };

typedef struct { const guint8 *p; gsize len; } Der;

/* Takes the next element off @from if its tag is @tag: @content is what is in it, @whole the element itself; either may be NULL. FALSE: another tag, or no DER. */
gboolean der_take (Der *from, guint8 tag, Der *content, Der *whole);
/* The tag of the next element; 0 at the end. */
guint8   der_peek (const Der *from);
gboolean der_equal (const Der *a, const Der *b);
gboolean der_is (const Der *a, const void *data, gsize len);
/* Whether the elements of a SET OF's content stand in DER's order (X.690 11.6), each of them once. */
gboolean der_set_sorted (Der content);
