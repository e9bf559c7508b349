/* The journal: lines, order, clocks, the Merkle tree and its signed checkpoints, and the evidence that follows from it. */
#include <string.h>
#include "ceremony/verify/checks.h"

#define STEP_NOTICED_MS 60000           /* a stepped clock is noticed, and journaled, within this time */
#define GAP_SLACK_MS 2000

CheckResult
check_appliance_note_key (Context *c)
{
    const char *origin = member (c->evidence, "origin"), *text = member2 (c->evidence, "appliance", "note_key");
    const char *certificate = member2 (c->evidence, "appliance", "certificate_sha256");
    g_autoptr(GError) error = NULL;
    g_autoptr(GBytes) raw = base64_decode (text, -1, &error);
    g_autofree char *why = NULL, *fingerprint = NULL;
    g_autofree guint8 *der = NULL;
    const Cades *cades = c->n_signatures ? c->signatures[0].cades : NULL;
    EVP_PKEY *key = NULL;

    if (raw && g_bytes_get_size (raw) == 32)
        c->note_key = note_key_new (origin, NOTE_TYPE_ED25519, g_bytes_get_data (raw, NULL), &error);
    if (!c->note_key) {
        flaw (c, CHECK_FAIL, NULL, "the appliance's note key can't be read: %s", error ? error->message : "it isn't 32 bytes");
        return done (c, "%s", "");
    }
    key = EVP_PKEY_new_raw_public_key (EVP_PKEY_ED25519, NULL, c->note_key->key, 32);
    if (!c->options->trust)
        flaw (c, CHECK_FAIL, NULL, "no trust given: use --trust DIR with the keys that you believe");
    else if (!key || !trust_has_key (c->options->trust, "appliance", key, &why))
        flaw (c, CHECK_FAIL, NULL, "the journal is signed by a key that isn't enrolled as an appliance's: %s", why ? why : "unknown");
    EVP_PKEY_free (key);
    if (cades) {
        int len = i2d_X509 (cades->signer, NULL);
        guint8 *p = der = g_malloc (MAX (len, 1));
        i2d_X509 (cades->signer, &p);
        fingerprint = sha256_hex (der, len);
    }
    if (g_strcmp0 (fingerprint, certificate) != 0)
        flaw (c, CHECK_FAIL, NULL, "the evidence names another certificate of the appliance than the one that signed it");
    return done (c, "%s", why ? why : "enrolled");
}

/* Splits at newlines; the last byte must be one. */
CheckResult
check_journal_canonical (Context *c)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GBytes) bytes = asice_read (c->asice, "journal/events.jsonl", ASICE_MAX_SMALL, &error);
    g_autoptr(GPtrArray) events = g_ptr_array_new_with_free_func ((GDestroyNotify) event_free);
    g_autoptr(MerkleTree) tree = merkle_tree_new ();
    gsize len = 0;
    const char *p = bytes ? g_bytes_get_data (bytes, &len) : "", *end = p + len;

    if (!bytes)
        flaw (c, CHECK_FAIL, NULL, "%s", error->message);
    while (p < end) {
        const char *newline = memchr (p, '\n', end - p);
        Event *event = newline ? event_parse (p, newline - p, &error) : NULL;
        MerkleHash leaf;
        if (!event) {
            flaw (c, CHECK_FAIL, NULL, "line %u: %s", events->len + 1, error ? error->message : "it doesn't end in a newline");
            break;
        }
        merkle_leaf (p, newline - p, &leaf);
        merkle_tree_append (tree, &leaf);
        g_ptr_array_add (events, event);
        p = newline + 1;
    }
    if (c->worst == CHECK_PASS && events->len == 0)
        flaw (c, CHECK_FAIL, NULL, "the journal is empty");
    if (c->worst == CHECK_PASS) {
        c->parsed = g_steal_pointer (&events);
        c->tree = g_steal_pointer (&tree);
        c->by_type = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, (GDestroyNotify) g_ptr_array_unref);
    }
    return done (c, "%u events in canonical form", c->parsed ? c->parsed->len : 0);
}

static void
check_neighbours (Context *c, const Event *event, const Event *before)
{
    gboolean resumed = g_str_equal (event->type, "ceremony.resumed");

    if (!before) {
        if (event->sitting != 1 || !g_str_equal (event->type, "ceremony.opened"))
            flaw (c, CHECK_FAIL, event, "the journal doesn't begin with ceremony.opened in sitting 1");
        return;
    }
    if (event->sitting != before->sitting + (resumed ? 1 : 0))
        flaw (c, CHECK_FAIL, event, "event %" G_GUINT64_FORMAT " is of sitting %" G_GUINT64_FORMAT " after one of sitting %" G_GUINT64_FORMAT, event->seq,
              event->sitting, before->sitting);
    else if (!resumed && event->mono < before->mono)
        flaw (c, CHECK_FAIL, event, "time runs backwards at event %" G_GUINT64_FORMAT, event->seq);
}

/* A resume says how long nothing was recorded, and whether the machine was restarted: both follow from the clocks it names. */
static void
check_resumed (Context *c, const Event *event)
{
    const Event *before = c->events->pdata[event->seq - 1];
    const Event *start = event_before (c, "ceremony.resumed", event->seq);
    const json_t *now = json_object_get (event->data, "clock"), *then = json_object_get ((start ? start : c->opened)->data, "clock");
    gboolean same = g_str_equal (member (now, "boot_id"), member (then, "boot_id"));

    if (member_int (event->data, "after") != (gint64) before->seq)
        flaw (c, CHECK_FAIL, event, "ceremony.resumed names another event as the last one before it");
    if (member_true (event->data, "rebooted") == same)
        flaw (c, CHECK_FAIL, event, "ceremony.resumed says that the machine was %srestarted, and the boot ids say otherwise", same ? "" : "not ");
    if (ABS (member_int (event->data, "gap_ms") - (event->time - before->time)) > GAP_SLACK_MS)
        flaw (c, CHECK_FAIL, event, "ceremony.resumed names another gap than the times of the events around it");
}

CheckResult
check_journal_sequence (Context *c)
{
    const GPtrArray *resumed = events_of (c, "ceremony.resumed");

    for (guint i = 0; i < c->events->len; i++) {
        const Event *event = c->events->pdata[i];
        if (event->seq != i) {
            flaw (c, CHECK_FAIL, event, "event %u of the file bears the number %" G_GUINT64_FORMAT ": one was dropped, added or moved", i, event->seq);
            break;
        }
        check_neighbours (c, event, i ? c->events->pdata[i - 1] : NULL);
    }
    for (guint i = 0; c->worst == CHECK_PASS && i < resumed->len; i++)
        check_resumed (c, resumed->pdata[i]);
    if (c->worst == CHECK_FAIL)
        c->events = NULL;       /* what happened when isn't known */
    return done (c, "numbered without a gap, time only goes forward");
}

/* Within a sitting the wall clock must keep step with the boot clock, but for steps that the journal itself tells. */
static const Event *
step_told (Context *c, const Event *event)
{
    const Event *told = g_str_equal (event->type, "clock.stepped") ? event : event_after (c, "clock.stepped", event->seq);

    return told && told->sitting == event->sitting && told->mono - event->mono <= STEP_NOTICED_MS ? told : NULL;
}

/* Between two sittings of one boot the boot clock ran on: a wall clock set back would make a gap look shorter. */
static void
check_gap (Context *c, const Event *resumed)
{
    const Event *start = event_before (c, "ceremony.resumed", resumed->seq), *first = start ? start : c->opened;
    const json_t *now = json_object_get (resumed->data, "clock"), *then = json_object_get (first->data, "clock");
    gint64 boot = member_int (now, "boottime_ms") - member_int (then, "boottime_ms"), wall = resumed->time - first->time;

    if (resumed->time < ((const Event *) c->events->pdata[resumed->seq - 1])->time)
        flaw (c, CHECK_WARN, resumed, "the wall clock stands earlier after the interruption than before it: how long it lasted isn't known");
    else if (g_str_equal (member (now, "boot_id"), member (then, "boot_id")) && ABS (boot - wall) > GAP_SLACK_MS)
        flaw (c, CHECK_WARN, resumed, "since the sitting before began the machine's own clock ran %.1f s and the wall clock %.1f s: it was set during the interruption",
              boot / 1000.0, wall / 1000.0);
}

CheckResult
check_journal_clock (Context *c)
{
    const GPtrArray *stepped = events_of (c, "clock.stepped"), *resumed = events_of (c, "ceremony.resumed");
    gint64 base = 0, worst = 0;
    guint64 sitting = 0;

    for (guint i = 0; i < c->events->len; i++) {
        const Event *event = c->events->pdata[i];
        gint64 offset = event->time - event->mono;
        if (event->sitting != sitting || g_str_equal (event->type, "clock.stepped")) {
            base = offset;
            sitting = event->sitting;
        }
        worst = MAX (worst, ABS (offset - base));
        if (ABS (offset - base) > c->rule.clock_drift_ms && !step_told (c, event)) {
            flaw (c, CHECK_FAIL, event, "the wall clock was off by %" G_GINT64_FORMAT " ms at event %" G_GUINT64_FORMAT ", and the journal doesn't tell of a step",
                  offset - base, event->seq);
            break;
        }
    }
    for (guint i = 0; i < resumed->len; i++)
        check_gap (c, resumed->pdata[i]);
    for (guint i = 0; i < stepped->len; i++)
        flaw (c, CHECK_WARN, stepped->pdata[i], "the clock was stepped by %" G_GINT64_FORMAT " ms during the ceremony: look at what was done then",
              member_int (((const Event *) stepped->pdata[i])->data, "drift_ms"));
    return done (c, "the wall clock kept step within %" G_GINT64_FORMAT " ms", worst);
}

static void
point_free (Point *self)
{
    checkpoint_free (self->checkpoint);
    g_free (self->note);
    g_free (self);
}

/* The note with the appliance's signature alone, which is what QR codes and possession texts hold. */
static char *
note_of_appliance (Context *c, const Note *note)
{
    g_autoptr(Note) alone = g_new0 (Note, 1);

    alone->text = g_strdup (note->text);
    alone->signatures = g_ptr_array_new_with_free_func ((GDestroyNotify) note_signature_free);
    for (guint i = 0; i < note->signatures->len; i++) {
        const NoteSignature *sig = note->signatures->pdata[i];
        if (sig->id != c->note_key->id || !g_str_equal (sig->name, c->note_key->name))
            continue;
        NoteSignature *copy = g_new0 (NoteSignature, 1);
        *copy = (NoteSignature) { .name = g_strdup (sig->name), .id = sig->id, .signature = g_bytes_ref (sig->signature) };
        g_ptr_array_add (alone->signatures, copy);
        break;
    }
    return note_format (alone);
}

static Point *
point_open (Context *c, const char *data, gsize len, GError **error)
{
    g_autoptr(Checkpoint) checkpoint = checkpoint_open (data, len, c->note_key, error);
    g_autoptr(Note) note = checkpoint ? note_parse (data, len, error) : NULL;
    Point *point;

    if (!note)
        return NULL;
    point = g_new0 (Point, 1);
    point->note = note_of_appliance (c, note);
    point->others = note->signatures->len - 1;
    point->checkpoint = g_steal_pointer (&checkpoint);
    return point;
}

static void
check_point (Context *c, const Point *point, guint64 before, guint n)
{
    const Checkpoint *checkpoint = point->checkpoint;
    MerkleHash root;

    if (checkpoint->size <= before && n > 1) {
        flaw (c, CHECK_FAIL, NULL, "checkpoint %u is of size %" G_GUINT64_FORMAT ", the one before of %" G_GUINT64_FORMAT, n, checkpoint->size, before);
        return;
    }
    if (checkpoint->size > merkle_tree_size (c->tree)) {
        flaw (c, CHECK_FAIL, NULL, "a checkpoint is over %" G_GUINT64_FORMAT " events: the journal holds %" G_GUINT64_FORMAT ", so events were dropped",
              checkpoint->size, merkle_tree_size (c->tree));
        return;
    }
    merkle_tree_root (c->tree, checkpoint->size, &root);
    if (memcmp (root.b, checkpoint->root.b, sizeof root.b) != 0)
        flaw (c, CHECK_FAIL, NULL, "the checkpoint over the first %" G_GUINT64_FORMAT " events has another root than these events: the journal isn't the one signed",
              checkpoint->size);
}

static void
check_final (Context *c)
{
    const Point *last = c->points->len ? c->points->pdata[c->points->len - 1] : NULL;
    const json_t *held = json_object_get (c->evidence, "checkpoint");

    if (!last || last->checkpoint->size != c->parsed->len) {
        flaw (c, CHECK_FAIL, NULL, "the last checkpoint isn't over all %u events", c->parsed->len);
        return;
    }
    if (!g_str_equal (member (held, "note"), last->note))
        flaw (c, CHECK_FAIL, NULL, "the evidence holds another final checkpoint than the journal");
}

/* Notes separated by a line "--". */
CheckResult
check_journal_checkpoints (Context *c)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GBytes) bytes = asice_read (c->asice, "journal/checkpoints.txt", ASICE_MAX_SMALL, &error);
    gsize len = 0;
    const char *p = bytes ? g_bytes_get_data (bytes, &len) : "", *end = p + len;
    guint64 before = 0;

    if (!bytes)
        flaw (c, CHECK_FAIL, NULL, "%s", error->message);
    c->points = g_ptr_array_new_with_free_func ((GDestroyNotify) point_free);
    while (p < end && c->worst == CHECK_PASS) {
        const char *mark = memmem (p, end - p, "\n--\n", 4), *stop = mark ? mark + 1 : end;
        Point *point = point_open (c, p, stop - p, &error);
        if (!point) {
            flaw (c, CHECK_FAIL, NULL, "checkpoint %u: %s", c->points->len + 1, error->message);
            break;
        }
        g_ptr_array_add (c->points, point);
        check_point (c, point, before, c->points->len);
        before = point->checkpoint->size;
        p = mark ? mark + 4 : end;
    }
    if (c->worst == CHECK_PASS)
        check_final (c);
    if (c->worst != CHECK_PASS)
        g_clear_pointer (&c->points, g_ptr_array_unref);
    return done (c, "%u checkpoints signed by the appliance, each the root of the events before it, the last over all of them",
                 c->points ? c->points->len : 0);
}

CheckResult
check_journal_cosignatures (Context *c)
{
    guint n = 0;

    for (guint i = 0; i < c->points->len; i++)
        n += ((const Point *) c->points->pdata[i])->others;
    if (n == 0)
        return skip (c, "no witness cosigned the journal as it grew: the witness was there in person, or followed by call");
    flaw (c, CHECK_WARN, NULL, "%u cosignatures stand in the journal, and no key is known here to judge them by", n);
    return done (c, "%s", "");
}

CheckResult
check_evidence_consistent (Context *c)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(json_t) again = evidence_build (c->events, member2 (c->evidence, "checkpoint", "note"), &error);

    if (!again) {
        flaw (c, CHECK_FAIL, NULL, "the events contradict each other: %s", error->message);
    } else if (!json_equal (again, c->evidence)) {
        const char *key;
        json_t *value;
        json_object_foreach (again, key, value)
            if (!json_equal (value, json_object_get (c->evidence, key)))
                flaw (c, CHECK_FAIL, NULL, "evidence.json says something else than the journal about '%s'", key);
        if (c->worst == CHECK_PASS)
            flaw (c, CHECK_FAIL, NULL, "evidence.json says more than follows from the journal");
    }
    return done (c, "evidence.json follows from the journal, field by field");
}
