/* DER over (pointer, length): definite, shortest lengths and one-byte tags only, so that a value has one form. What OpenSSL reads leniently is read by this beforehand. */
#pragma once
#include <glib.h>

enum { DER_BOOLEAN = 0x01, DER_INTEGER = 0x02, DER_BIT_STRING = 0x03, DER_OCTETS = 0x04, DER_NULL = 0x05, DER_OID = 0x06, DER_UTF8 = 0x0c, DER_SEQUENCE = 0x30, DER_SET = 0x31, DER_CONTEXT0 = 0xa0, DER_CONTEXT1 = 0xa1 };

typedef struct { const guint8 *p; gsize len; } Der;

/* Takes the next element off @from if its tag is @tag: @content is what is in it, @whole the element itself; either may be NULL. FALSE: another tag, or no DER. */
gboolean der_take (Der *from, guint8 tag, Der *content, Der *whole);
/* The next element, whatever its tag; each of @tag, @content and @whole may be NULL. */
gboolean der_next (Der *from, guint8 *tag, Der *content, Der *whole);
/* The @len bytes at @data are exactly one element of @tag. */
gboolean der_only (const void *data, gsize len, guint8 tag, Der *content);
/* The content of an INTEGER that isn't negative, in its shortest form. */
gboolean der_u64 (Der content, guint64 *value);
/* The tag of the next element; 0 at the end. */
guint8   der_peek (const Der *from);
gboolean der_equal (const Der *a, const Der *b);
gboolean der_is (const Der *a, const void *data, gsize len);
/* Whether the elements of a SET OF's content stand in DER's order (X.690 11.6), each of them once. */
gboolean der_set_sorted (Der content);
