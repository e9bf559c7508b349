/* The challenge: that nobody knew it before the appliance had committed to its opening. */
#include <string.h>
#include "ceremony/verify/checks.h"

#define SECRET_PATH "witness/challenge-secret"

/* The witness's 32 bytes, disclosed in the bundle as 64 hex digits and a newline. */
GBytes *
witness_secret (Context *c)
{
    g_autoptr(GBytes) file = NULL;
    g_autofree char *text = NULL;
    g_autoptr(GBytes) secret = NULL;
    gsize len;
    const char *data;

    if (!asice_find (c->asice, SECRET_PATH) || !(file = asice_read (c->asice, SECRET_PATH, 1024, NULL)))
        return NULL;
    data = g_bytes_get_data (file, &len);
    if (len != 65 || data[64] != '\n')
        return NULL;
    text = g_strndup (data, 64);
    secret = hex_decode (text, NULL);
    return secret && g_bytes_get_size (secret) == 32 ? g_steal_pointer (&secret) : NULL;
}

static gboolean
has_before (Context *c, const char *type, guint64 size)
{
    const Event *event = event_first (c, type);

    return event && event->seq < size;
}

static void
check_committed (Context *c, const Event *committed)
{
    guint64 size = member_int (committed->data, "size");
    g_autofree char *root = root_at (c, size);
    static const char *const before[] = { "ceremony.opened", "token.inventoried", "key.absent", NULL };

    if (size == 0 || size > committed->seq || g_strcmp0 (root, member (committed->data, "root")) != 0)
        flaw (c, CHECK_FAIL, committed, "the opening checkpoint isn't the root of the events before it");
    else if (!point_at (c, size))
        flaw (c, CHECK_FAIL, committed, "the opening checkpoint was never signed");
    for (gsize i = 0; before[i]; i++)
        if (!has_before (c, before[i], size))
            flaw (c, CHECK_FAIL, committed, "the opening checkpoint doesn't hold %s: the appliance hadn't committed to it when the challenge came", before[i]);
}

CheckResult
check_challenge_opening (Context *c)
{
    const Event *given = c->given, *committed = event_before (c, "opening.committed", given->seq);
    const GPtrArray *shown = events_of (c, "qr.shown");
    const json_t *answers = json_object_get (given->data, "checkpoint");
    gboolean seen = FALSE;

    if (!committed) {
        flaw (c, CHECK_FAIL, given, "the challenge was given before the appliance had committed to its opening");
        return done (c, "%s", "");
    }
    check_committed (c, committed);
    if (member_int (answers, "size") != member_int (committed->data, "size") || !g_str_equal (member (answers, "root"), member (committed->data, "root")))
        flaw (c, CHECK_FAIL, given, "the challenge answers another checkpoint than the opening");
    for (guint i = 0; i < shown->len && ((const Event *) shown->pdata[i])->seq < given->seq; i++)
        seen = seen || member_int (((const Event *) shown->pdata[i])->data, "size") == member_int (committed->data, "size");
    if (!seen && event_first (c, "recording.started"))
        flaw (c, CHECK_FAIL, given, "the opening checkpoint wasn't shown as a QR code before the challenge was given");
    cite (c, committed);
    return done (c, "the appliance had committed to %" G_GINT64_FORMAT " events, and shown that, when the challenge was given", member_int (answers, "size"));
}

/* The secret is disclosed with the witness's statement: before that it can't be there, and that it is missing is no failure of its own. */
gboolean
before_disclosure (const Context *c)
{
    return !asice_find (c->asice, SECRET_PATH) && (c->options->flags & VERIFY_EVIDENCE_ONLY || c->n_signatures < 2);
}

CheckResult
not_disclosed (Context *c)
{
    if (c->options->flags & VERIFY_EVIDENCE_ONLY)
        return skip (c, "the witness hasn't disclosed the secret yet");
    return unreached (c, "not reached: the secret is disclosed with the witness's statement, and no witness has signed");
}

CheckResult
check_challenge_commitment (Context *c)
{
    const char *commitment = member (c->opened->data, "challenge_commitment");
    g_autoptr(GBytes) secret = witness_secret (c);
    g_autofree char *hash = secret ? sha256_hex (g_bytes_get_data (secret, NULL), 32) : NULL;

    if (g_str_equal (member (c->given->data, "source"), "words") && *commitment) {
        flaw (c, CHECK_FAIL, c->given, "the order committed to a secret, and words of somebody's own were given instead: whoever typed them could have chosen them beforehand");
        return done (c, "%s", "");
    }
    if (g_str_equal (member (c->given->data, "source"), "words"))
        return skip (c, "the witness gave words of their own: there is no secret");
    if (!secret && before_disclosure (c))
        return not_disclosed (c);
    if (!*commitment)
        flaw (c, CHECK_FAIL, c->given, "no commitment to the challenge's secret was ordered: the witness could have chosen it afterwards");
    else if (!secret)
        flaw (c, CHECK_FAIL, c->given, "the challenge's secret isn't disclosed: %s is missing or isn't 64 hex digits", SECRET_PATH);
    else if (!g_str_equal (hash, commitment))
        flaw (c, CHECK_FAIL, c->given, "the disclosed secret isn't the one that the order committed to");
    return done (c, "the disclosed secret is the one that the order committed to");
}

static void
compute (Context *c, guint8 expected[CHALLENGE_LEN])
{
    const Event *given = c->given;
    g_autoptr(GError) error = NULL;
    g_autoptr(GBytes) secret = NULL;

    if (g_str_equal (member (given->data, "source"), "words")) {
        if (!challenge_from_words (member (given->data, "typed"), expected, &error))
            flaw (c, CHECK_FAIL, given, "the witness's words: %s", error->message);
        else if (c->rule.challenge == CHALLENGE_SECRET)
            flaw (c, CHECK_FAIL, given, "the witness gave words of their own, the policy asks for a challenge from a committed secret");
        return;
    }
    secret = witness_secret (c);
    if (secret)
        challenge_compute (member (c->opened->data, "ceremony"), member2 (given->data, "checkpoint", "root"), g_bytes_get_data (secret, NULL), expected);
    else
        flaw (c, CHECK_FAIL, given, "the challenge can't be recomputed: its secret isn't disclosed");
}

CheckResult
check_challenge_computed (Context *c)
{
    const Event *given = c->given;
    const char *hex = member (given->data, "challenge");
    g_autoptr(GBytes) bytes = hex_decode (hex, NULL);
    g_autofree char *words = NULL;
    guint8 expected[CHALLENGE_LEN] = { 0 };
    gboolean own_words = g_str_equal (member (given->data, "source"), "words");

    cite (c, given);
    if (!bytes || g_bytes_get_size (bytes) != CHALLENGE_LEN) {
        flaw (c, CHECK_FAIL, given, "the challenge isn't 8 bytes");
        return done (c, "%s", "");
    }
    words = pgp_words (g_bytes_get_data (bytes, NULL), CHALLENGE_LEN);
    if (*member (given->data, "words") && g_ascii_strcasecmp (words, member (given->data, "words")) != 0)
        flaw (c, CHECK_FAIL, given, "the challenge's words aren't those of its bytes");
    if (!own_words && !g_str_equal (member (given->data, "source"), "secret"))
        flaw (c, CHECK_FAIL, given, "the challenge came from '%s', which is neither a secret nor the witness's words", member (given->data, "source"));
    if (!own_words && before_disclosure (c))
        return c->worst == CHECK_PASS ? not_disclosed (c) : done (c, "%s", "");
    compute (c, expected);
    if (c->worst == CHECK_PASS && memcmp (expected, g_bytes_get_data (bytes, NULL), CHALLENGE_LEN) != 0)
        flaw (c, CHECK_FAIL, given, own_words ? "the challenge doesn't follow from the witness's words"
                                              : "the challenge doesn't follow from the secret and the opening checkpoint");
    return done (c, own_words ? "the witness's own words were used: that they were new is the witness's word"
                              : "recomputed from the witness's secret and the opening checkpoint");
}
