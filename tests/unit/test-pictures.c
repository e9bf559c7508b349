/* Verify, pictures: forged bundles with a recording by the real recorder; each lie about the QR codes in the picture is told. */
#include <string.h>
#include "forge.c"
#include "film.c"

static ForgeWorld *world;

#define EVENT_LIE(name, when, change) \
    static gboolean name (Forge *f, const char *type, json_t *data) { if (g_str_equal (type, when)) { change; } return TRUE; }

static void
tell (const Verdict *verdict)
{
    for (guint i = 0; i < verdict->outcomes->len; i++) {
        const CheckOutcome *o = verdict->outcomes->pdata[i];
        if (o->result != CHECK_PASS)
            g_test_message ("%s: %s", o->id, o->reason);
    }
}

typedef struct {
    const char *reason;                 /* of pictures.codes; NULL: it passes */
    gboolean  (*on_event) (Forge *f, const char *type, json_t *data);
    guint       replace_at;
    char     *(*replacement) (Forge *f, const char *note);
    const char *policy;
} FilmLie;

EVENT_LIE (shown_elsewhere, "qr.shown", if (json_integer_value (json_object_get (data, "media_ms")) > 0)
           json_object_set_new (data, "media_ms", json_integer (json_integer_value (json_object_get (data, "media_ms")) + 3000)))

static gboolean
one_untold (Forge *f, const char *type, json_t *data)
{
    return !(g_str_equal (type, "qr.shown") && ((Film *) f->film_data)->n_shown == 3);
}

EVENT_LIE (wait_long, "token.shown", g_usleep (2200000))

static char *
of_another_tree (Forge *f, const char *note)
{
    MerkleHash root = { { 7 } };
    g_autofree char *text = checkpoint_text (f->origin, f->events->len, &root);

    return note_sign (text, f->note_key, f->world->note_private, NULL);
}

static char *
of_another_ceremony (Forge *f, const char *note)
{
    MerkleHash root = { { 7 } };
    g_autoptr(NoteKey) key = note_key_new ("ca.example/ceremony/other", NOTE_TYPE_ED25519, f->world->note_public, NULL);
    g_autofree char *text = checkpoint_text ("ca.example/ceremony/other", f->events->len, &root);

    return note_sign (text, key, f->world->note_private, NULL);
}

static char *
unsigned_note (Forge *f, const char *note)
{
    char *copy = g_strdup (note);

    copy[strlen (copy) - 10] = copy[strlen (copy) - 10] == 'A' ? 'B' : 'A';
    return copy;
}

static char *
an_old_one (Forge *f, const char *note)
{
    return g_strdup (f->notes->pdata[0]);
}

static const FilmLie film_lies[] = {
    { NULL, NULL, 0, NULL, NULL },
    { "isn't in the picture", shown_elsewhere, 0, NULL, NULL },
    { "the journal doesn't say was shown", one_untold, 0, NULL, NULL },
    { "another journal", NULL, 3, of_another_tree, NULL },
    { "another ceremony", NULL, 3, of_another_ceremony, NULL },
    { "isn't the appliance's", NULL, 3, unsigned_note, NULL },
    { "goes back", NULL, 3, an_old_one, NULL },
    { "no new code", wait_long, 0, NULL, "qr_gap_ms: 2000" },
};

static void
test_film (gconstpointer data)
{
    const FilmLie *lie = data;
    Film film = { .replace_at = lie->replace_at, .replacement = lie->replacement };
    Forge f;
    g_autofree char *path = NULL, *policy = g_strdup_printf ("drops_per_mille: 1000\n%s", lie->policy ? lie->policy : "");
    g_autoptr(Verdict) verdict = NULL;
    VerifyOptions options = { .trust = world->trust, .modules_path = world->modules };

    if (!film_there ()) {
        g_test_skip ("ceremony-media isn't built");
        return;
    }
    forge_init (&f, world);
    f.film = &film_ops;
    f.film_data = &film;
    f.on_event = lie->on_event;
    f.policy = policy;  /* a busy machine drops frames */
    path = forge_bundle (&f);
    verdict = verify_bundle (path, &options);
    tell (verdict);
    g_test_message ("%s", outcome (verdict, "pictures.codes")->reason);
    if (lie->reason)
        g_assert_nonnull (strstr (outcome (verdict, "pictures.codes")->reason, lie->reason));
    g_assert_cmpint (outcome (verdict, "pictures.codes")->result, ==, lie->reason ? CHECK_FAIL : CHECK_PASS);
    g_assert_cmpint (verdict->kind, ==, lie->reason ? VERDICT_REFUSE : VERDICT_ACCEPT);
    forge_clear (&f);
}

int
main (int argc, char **argv)
{
    int status;

    world = film_init (&argc, &argv);
    for (gsize i = 0; i < G_N_ELEMENTS (film_lies); i++) {
        g_autofree char *path = g_strdup_printf ("/pictures/%s", film_lies[i].reason ? film_lies[i].reason : "true");
        g_test_add_data_func (path, &film_lies[i], test_film);
    }
    status = g_test_run ();
    forge_world_free (world);
    return status;
}
