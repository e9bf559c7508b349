/* A bounded DER reader over (pointer, length): definite minimal lengths, one-byte tags. Nothing is copied. */
#pragma once
#include <glib.h>

typedef struct { const guint8 *p; gsize n; } Der;

enum { DER_BOOLEAN = 0x01, DER_INTEGER = 0x02, DER_BIT_STRING = 0x03, DER_OCTET_STRING = 0x04, DER_NULL = 0x05, DER_OID = 0x06, DER_UTF8 = 0x0c,
       DER_SEQUENCE = 0x30, DER_SET = 0x31 };

/* Takes the next element off @in: its tag, its @content, and (where not NULL) the @whole element with its header. */
gboolean der_next (Der *in, guint8 *tag, Der *content, Der *whole);
/* The same, where the tag must be @tag. */
gboolean der_take (Der *in, guint8 tag, Der *content);
/* @whole is exactly one element of @tag. */
gboolean der_only (const void *data, gsize len, guint8 tag, Der *content);
/* A non-negative, minimally encoded INTEGER's content. */
gboolean der_u64 (Der content, guint64 *value);
gboolean der_equal (Der content, const void *data, gsize len);
