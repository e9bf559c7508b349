/* A made-up ceremony on the real run screen: all kinds of questions in turn. With --show it runs on the terminal (tests/e2e/screen.t drives it in tmux and people look at it);
 * else it is a unit test: headless, walked by the autopilot, and the bytes that the tap got are looked at. */
#include "ui/ui.h"
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PIN "S3cretMarkedPin"
#define NOTE "ca.example/ceremony/20261124-7f3a\n61\n3q2+796tvu/erb7v3q2+796tvu/erb7v3q2+796tvu8=\n\n— ca.example/ceremony/20261124-7f3a " \
             "b1LtYaqJpX0kS3v6b3k1cW9nQmV4c2h1dGRvd24gYW5kIHNvbWUgbW9yZSBieXRlcyBmb3IgdGhlIHNpZ25hdHVyZSBvZiB0aGUgYXBwbGlhbmNl\n"

static const char *const titles[] = {
    "Welcome and consent", "Who is present", "Clock", "The contract's representation", "The token before the camera", "Token inventory", "Opening checkpoint",
    "The witness's challenge", "Liveness", "PIN", "Generate the key", "Read back the attributes", "Proof of possession", "Certificate request", "Unplug challenge",
    "Read the fingerprint aloud", "Deviations", "Close",
};
static const char *const tokens[] = { "Rehearsal (SoftHSM) 3f1b9a2c4d5e6f70", "Production \033[31mHSM\xe2\x80\xae 0001", "Zweit-Token Müller 0002", NULL };

#define ALOUD "\"This ceremony is recorded in sound and picture. The recording becomes part of the evidence that the certification authority keeps. Whoever doesn't agree " \
              "to being recorded says so now and leaves the room.\"\n\nThen ask each person: \"Do you agree to being recorded?\" and wait for a spoken yes from each of them."

static const Question questions[] = {
    { .kind = ASK_CONTINUE, .id = "go", .role = "operator", .title = "Read the text in the box aloud, slowly, facing the camera.", .detail = "" },
    { .kind = ASK_CONFIRM, .id = "confirm", .role = "witness", .title = "Did everybody in the room agree to being recorded?",
      .detail = "The witness types initials. They are recorded with the time." },
    { .kind = ASK_TEXT, .id = "person.name", .role = "operator", .title = "Name of the operator, as in the identity document", .detail = "Given name and family name.", .initial = "Ada" },
    { .kind = ASK_CHOICE, .id = "token", .role = "operator", .title = "Which token is used?", .detail = "Three tokens are plugged in.", .choices = tokens },
    { .kind = ASK_CONTINUE, .id = "checkpoint", .role = "witness", .title = "Scan or write down the opening checkpoint.", .detail = "The challenge is computed from it.", .qr = NOTE },
    { .kind = ASK_WORDS, .id = "challenge", .role = "witness", .title = "Type the eight words of the challenge.", .detail = "Words of even places have two syllables, of odd places three." },
    { .kind = ASK_PIN, .id = "pin", .role = "operator", .title = "PIN of the token Rehearsal", .detail = "Three tries are left." },
    { .kind = ASK_YES_NO, .id = "deviation", .role = "witness", .title = "Was there any deviation from the script?", .detail = "" },
};

typedef struct {
    RunView *view;
    GMainLoop *loop;
    GByteArray *tapped;
    guint next, ticks, resized_cols, resized_rows;
    GString *log;
    FILE *copy;                         /* --show: where the tap's bytes go, as a recorder would get them */
    gint64 start;
    const char *message;
    ViewMood mood;
} Show;

static void show_state (Show *self)
{
    ViewStep steps[G_N_ELEMENTS (titles)];
    guint current = MIN (self->next * 2, G_N_ELEMENTS (titles) - 1);
    for (guint i = 0; i < G_N_ELEMENTS (titles); i++)
        steps[i] = (ViewStep) { titles[i], titles[i], i < current ? (i == 2 ? STEP_SKIPPED : STEP_DONE) : i == current ? STEP_NOW : STEP_TODO };
    const ViewState state = {
        .title = "Code-signing key ceremony", .ceremony = "20261124-7f3a", .rehearsal = TRUE, .steps = steps, .n_steps = G_N_ELEMENTS (titles), .current = current,
        .read_aloud = self->next < 2 || self->next == 7 ? ALOUD : "", .action = "Sit so that your face and the token are in the picture.", .waiting = self->next == 6 ? "The token answers: 3 s" : "",
        .message = self->message, .mood = self->mood, .recording_ms = (g_get_monotonic_time () - self->start) / 1000, .events = 12 + self->ticks, .checkpoint_size = 12 + self->ticks / 8 * 8,
        .checkpoint_words = "stagehand speculate aimless publisher", .frames_dropped = self->next > 4 ? 3 : 0, .free_bytes = 41234567890, .camera = "test picture",
        .token = "Rehearsal 3f1b9a2c4d5e6f70",
    };
    self->view->update (self->view, &state);
}

static void next_question (Show *self);

static void note (Show *self, const char *what)
{
    g_string_append (self->log, what);
    g_string_append_c (self->log, '\n');
}

static void on_answer (const Answer *answer, gpointer data)
{
    static const char *const kinds[] = { "given", "note", "deviation", "pause", "abort", "qr" };
    Show *self = data;
    if (answer->kind != ANSWER_GIVEN)
    {
        note (self, kinds[answer->kind]);
        if (answer->kind == ANSWER_ABORT)
        {
            g_main_loop_quit (self->loop);
            return;
        }
        self->message = answer->kind == ANSWER_NOTE ? "The note is in the journal." : "PKCS#11: CKR_DEVICE_ERROR: the token doesn't answer. Plug it out and in again, wait until its light is steady, then press Enter.";
        self->mood = answer->kind == ANSWER_NOTE ? MOOD_NORMAL : answer->kind == ANSWER_DEVIATION ? MOOD_WARNING : MOOD_ERROR;
        show_state (self);
        next_question (self);
        return;
    }
    g_autofree char *line = answer->pin ? g_strdup_printf ("pin %s", strcmp (secret_data (answer->pin), PIN) == 0 ? "right" : "wrong")
                                        : g_strdup_printf ("%s|%d", answer->text, answer->choice);
    note (self, line);
    self->next++;
    self->message = "";
    show_state (self);
    next_question (self);
}

static void on_page (const Answer *answer, gpointer data)
{
    Show *self = data;
    note (self, "page");
    g_main_loop_quit (self->loop);
}

static void show_page (Show *self)
{
    g_autoptr (GString) text = g_string_new ("The ceremony is closed. This is its final checkpoint; write its words down, or take a picture of the code.\n\n");
    for (guint i = 1; i <= 30; i++)
        g_string_append_printf (text, "%2u. A fact of the summary that the witness reads before signing, long enough to need more than one line on a small screen.\n", i);
    self->view->page (self->view, "Final checkpoint", text->str, NOTE, on_page, self);
}

static void next_question (Show *self)
{
    if (self->next < G_N_ELEMENTS (questions))
        self->view->ask (self->view, &questions[self->next], on_answer, self);
    else
        show_page (self);
}

static gboolean tick (gpointer data)
{
    Show *self = data;
    self->ticks++;
    show_state (self);
    return G_SOURCE_CONTINUE;
}

static void on_tap (const guint8 *data, gsize len, gpointer user_data)
{
    Show *self = user_data;
    g_byte_array_append (self->tapped, data, (guint) len);
    if (self->copy)
    {
        fwrite (data, 1, len, self->copy);
        fflush (self->copy);
    }
}

static void on_resized (guint cols, guint rows, gpointer user_data)
{
    ((Show *) user_data)->resized_cols = cols;
    ((Show *) user_data)->resized_rows = rows;
}

static void show_free (Show *self)
{
    self->view->free (self->view);
    g_clear_pointer (&self->copy, fclose);
    g_main_loop_unref (self->loop);
    g_byte_array_unref (self->tapped);
    g_string_free (self->log, TRUE);
    g_free (self);
}

static Show *show_new (const UiOptions *options, const char *copy)
{
    GError *error = NULL;
    Show *self = g_new0 (Show, 1);
    self->view = ui_run_view_new (options, &error);
    if (!self->view)
    {
        fprintf (stderr, "ui-show: %s\n", error->message);
        exit (2);
    }
    self->loop = g_main_loop_new (NULL, FALSE);
    self->tapped = g_byte_array_new ();
    self->log = g_string_new (NULL);
    self->start = g_get_monotonic_time ();
    self->message = "";
    self->copy = copy ? fopen (copy, "w") : NULL;
    self->view->set_output_tap (self->view, on_tap, on_resized, self);
    show_state (self);
    return self;
}

static void run_show (Show *self)
{
    guint ticking = g_timeout_add (250, tick, self);
    next_question (self);
    g_main_loop_run (self->loop);
    g_source_remove (ticking);
}

static int show_on_terminal (int argc, char **argv)
{
    const UiOptions options = { 0 };
    Show *self = show_new (&options, argc > 3 ? argv[3] : NULL);
    if (argc > 2)
        self->next = (guint) atoi (argv[2]);
    show_state (self);
    run_show (self);
    g_autofree char *log = g_strdup (self->log->str);
    show_free (self);
    fputs (log, stderr);                 /* standard output is the terminal */
    return 0;
}

static GHashTable *known_answers (const char *pin_path)
{
    static const char *const pairs[][2] = {
        { "confirm:witness", "WT" }, { "person.name", "Ada Müller" }, { "token", "Zweit-Token Müller 0002" },
        { "challenge", "stagehand Speculate tumor alkali aimless publisher drunken hydraulic" }, { "deviation", "no" },
    };
    GHashTable *table = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);
    for (guint i = 0; i < G_N_ELEMENTS (pairs); i++)
        g_hash_table_insert (table, g_strdup (pairs[i][0]), g_strdup (pairs[i][1]));
    g_hash_table_insert (table, g_strdup ("pin"), g_strconcat ("@", pin_path, NULL));
    return table;
}

static char *write_pin (void)
{
    char *path = NULL;
    int fd = g_file_open_tmp ("ui-show-XXXXXX", &path, NULL);
    g_assert_cmpint (write (fd, PIN "\nnot this line\n", sizeof PIN + 14), >, 0);
    close (fd);
    return path;
}

static gboolean contains (const GByteArray *bytes, const char *text) { return memmem (bytes->data, bytes->len, text, strlen (text)) != NULL; }

static void test_walk (gconstpointer size)
{
    const UiOptions *options = size;
    Show *self = show_new (options, NULL);
    g_autofree char *path = write_pin ();
    g_autoptr (GHashTable) answers = known_answers (path);
    const AutopilotOptions autopilot = { .answers = answers, .fast = TRUE };
    ui_autopilot_attach (self->view, &autopilot);
    run_show (self);
    g_assert_cmpstr (self->log->str, ==, "|0\nWT|0\nAda Müller|0\n|2\n|0\nstagehand Speculate tumor alkali aimless publisher drunken hydraulic|0\npin right\n|0\npage\n");
    g_assert_cmpuint (self->resized_cols, ==, options->cols);
    g_assert_cmpuint (self->resized_rows, ==, options->rows);
    g_assert_true (contains (self->tapped, "Read aloud"));
    g_assert_true (contains (self->tapped, "Typing is hidden"));
    g_assert_true (contains (self->tapped, "^[[31mHSM<U+202E>"));
    g_assert_false (contains (self->tapped, PIN));
    g_assert_false (contains (self->tapped, "\xe2\x80\xae"));
    unlink (path);
    show_free (self);
}

int main (int argc, char **argv)
{
    if (argc > 1 && strcmp (argv[1], "--show") == 0)
        return show_on_terminal (argc, argv);
    static const UiOptions small = { .headless = TRUE, .cols = 80, .rows = 24 }, odd = { .headless = TRUE, .cols = 81, .rows = 25 };
    static const UiOptions wide = { .headless = TRUE, .cols = 120, .rows = 36 }, huge = { .headless = TRUE, .cols = 300, .rows = 100 };
    g_test_init (&argc, &argv, NULL);
    g_test_add_data_func ("/ui/walk/80x24", &small, test_walk);
    g_test_add_data_func ("/ui/walk/81x25", &odd, test_walk);
    g_test_add_data_func ("/ui/walk/120x36", &wide, test_walk);
    g_test_add_data_func ("/ui/walk/300x100", &huge, test_walk);
    return g_test_run ();
}
