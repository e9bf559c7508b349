/* The autopilot of unattended rehearsals: reads at a person's speed, then types keys into the same handler that a person's keys go to. */
#include "ui/keys.h"
#include "ui/text.h"
#include "ui/view.h"
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define FAST_MS 30
#define KEY_MS 60                       /* between keys, where not fast */
#define LOOK_MS 700                     /* least time a person looks at a question */
#define LONGEST_MS 30000
#define TRIES_AFTER_FAILURE 40
#define ABORT_KEY "\033[19~"            /* F8 */

typedef struct {
    RunView *view;
    GHashTable *answers;
    AutopilotAnswerFunc answer;
    gpointer user_data;
    gboolean fast, failed, stopped;
    guint cps, timer, serial, tries;
    char *last_pin, *complaint, *read_before; /* id of the PIN asked for last; what failed; text read aloud already */
    Secret *typing;
    gsize typed;
} Autopilot;

static gboolean on_ready (gpointer data);

static const Ask *current (const Autopilot *self) { return view_screen (self->view)->ask; }

static void later (Autopilot *self, guint ms, GSourceFunc func)
{
    g_clear_handle_id (&self->timer, g_source_remove);
    if (!self->stopped)
        self->timer = g_timeout_add (ms, func, self);
}

/* How long a person needs for what is on the screen; a text that stands there still isn't read again. */
static guint reading_ms (Autopilot *self)
{
    const Screen *screen = view_screen (self->view);
    gsize chars = strlen (screen->ask->title) + MIN (strlen (screen->ask->detail), 600);
    if (self->fast)
        return FAST_MS;
    if (!screen->ask->page && g_strcmp0 (self->read_before, screen->state.read_aloud) != 0)
    {
        g_free (self->read_before);
        self->read_before = g_strdup (screen->state.read_aloud);
        chars += strlen (screen->state.read_aloud) + strlen (screen->state.action);
    }
    return CLAMP ((guint) (chars * 1000 / self->cps), LOOK_MS, LONGEST_MS);
}

/* Says it on standard error; on a terminal only once that is given back, else the screen would swallow it. */
static void complain (Autopilot *self, const char *what)
{
    g_autofree char *line = g_strdup_printf ("ceremony: autopilot: %s; the rehearsal is aborted\n", what);
    if (!view_has_terminal (self->view))
        fputs (line, stderr);
    else if (!self->complaint)
        self->complaint = g_steal_pointer (&line);
}

static void fail (Autopilot *self, const char *what)
{
    complain (self, what);
    self->failed = TRUE;
    self->last_pin = (g_free (self->last_pin), NULL);
    view_type (self->view, (const guint8 *) ABORT_KEY, strlen (ABORT_KEY));
}

static void append (Secret *to, const char *text)
{
    for (; *text; text++)
        secret_append (to, (guint8) *text);
}

/* The first line of @path, byte by byte: no buffer but the Secret's ever holds it. */
static gboolean append_first_line (Secret *to, const char *path)
{
    guint8 byte;
    int fd = open (path, O_RDONLY | O_CLOEXEC);
    gssize n = fd >= 0 ? read (fd, &byte, 1) : -1;
    gboolean read_any = n == 1;
    while (n == 1 && byte != '\n' && byte != '\r' && secret_append (to, byte))
        n = read (fd, &byte, 1);
    explicit_bzero (&byte, 1);
    if (fd >= 0)
        close (fd);
    return read_any;
}

static char *look_up (const Autopilot *self, const Ask *ask)
{
    const Question question = { .kind = ask->kind, .id = ask->id, .role = ask->role, .title = ask->title, .detail = ask->detail, .initial = "",
                                .choices = (const char *const *) ask->choices, .may_be_empty = ask->may_be_empty, .qr = ask->qr };
    char *answer = self->answer ? self->answer (&question, self->user_data) : NULL;
    if (answer || !self->answers)
        return answer;
    g_autofree char *with_role = g_strdup_printf ("%s:%s", ask->id, ask->role);
    const char *found = g_hash_table_lookup (self->answers, with_role);
    return g_strdup (found ? found : g_hash_table_lookup (self->answers, ask->id));
}

static gboolean type_choice (Secret *keys, const Ask *ask, const char *answer)
{
    guint64 n = 0;
    for (guint i = 0; i < ask->n_choices && !n; i++)
        n = strcmp (ask->choices[i], answer) == 0 ? i + 1 : 0;
    if (!n && !g_ascii_string_to_unsigned (answer, 10, 1, MAX (ask->n_choices, 1), &n, NULL))
        return FALSE;
    append (keys, "\033[H");
    for (guint64 i = 1; i < n; i++)
        append (keys, "\033[B");
    return TRUE;
}

/* Keys for @answer; FALSE where it doesn't suit the question. */
static gboolean type_answer (Secret *keys, const Ask *ask, const char *answer)
{
    if (ask->kind == ASK_CHOICE)
        return type_choice (keys, ask, answer);
    if (ask->kind == ASK_YES_NO)
    {
        gboolean yes = g_ascii_strcasecmp (answer, "yes") == 0;
        append (keys, yes ? "y" : "n");
        return yes || g_ascii_strcasecmp (answer, "no") == 0;
    }
    if (ask->kind == ASK_TEXT && ask->line->text->len)
        append (keys, "\005\025");      /* to the end, then away with it */
    if (answer[0] == '@')
        return append_first_line (keys, answer + 1);
    append (keys, answer);
    return TRUE;
}

static gboolean type_default (const Autopilot *self, Secret *keys, const Ask *ask)
{
    switch (ask->kind)
    {
    case ASK_CONTINUE: return TRUE;
    case ASK_CONFIRM: append (keys, "RH"); return TRUE;
    case ASK_TEXT:
        if (self->failed && ask->line->text->len == 0)
            append (keys, "The autopilot had no answer.");
        return self->failed || ask->may_be_empty || ask->line->text->len > 0;
    case ASK_YES_NO: append (keys, "y"); return self->failed;
    case ASK_CHOICE: append (keys, "\033[F"); return self->failed;   /* the last choice is the one that ends things */
    default: return FALSE;
    }
}

static gboolean on_typed (gpointer data)
{
    Autopilot *self = data;
    const Ask *ask = current (self);
    self->timer = 0;
    if (!ask || ask->serial != self->serial)
        return G_SOURCE_REMOVE;
    if (ask->page || screen_too_small (view_screen (self->view)))
        later (self, self->fast ? FAST_MS : LOOK_MS, on_ready);     /* the page's next part */
    else
    {
        g_autofree char *what = g_strdup_printf ("its answer to question \"%s\" was refused: %s", ask->id, ask->problem ? ask->problem : "no reason given");
        fail (self, what);
    }
    return G_SOURCE_REMOVE;
}

/* One key, or with fast all of them. */
static gboolean on_type (gpointer data)
{
    Autopilot *self = data;
    const guint8 *keys = (const guint8 *) secret_data (self->typing) + self->typed;
    gsize left = secret_len (self->typing) - self->typed, n = self->fast ? left : keys[0] == 0x1b ? MIN (3, left) : 1;
    const Ask *ask = current (self);
    guint serial = self->serial;
    self->timer = 0;
    if (!ask || ask->serial != serial)
        return G_SOURCE_REMOVE;
    self->typed += n;
    gboolean more = self->typed < secret_len (self->typing);
    view_type (self->view, keys, n);    /* may bring up the next question, and so set the timer */
    if (more)
        later (self, KEY_MS, on_type);
    else if (current (self) && current (self)->serial == serial)
        later (self, FAST_MS, on_typed);
    return G_SOURCE_REMOVE;
}

static gboolean pin_repeated (Autopilot *self, const Ask *ask)
{
    g_autofree char *id = ask->kind == ASK_PIN ? g_strdup_printf ("%s:%s", ask->id, ask->role) : NULL;
    gboolean repeated = id && g_strcmp0 (id, self->last_pin) == 0;
    g_free (self->last_pin);
    self->last_pin = g_steal_pointer (&id);
    return repeated;
}

static gboolean compose (Autopilot *self, const Ask *ask)
{
    g_autofree char *answer = look_up (self, ask), *what = NULL;
    secret_wipe (self->typing);
    self->typed = 0;
    if (pin_repeated (self, ask))       /* a wrong PIN again would lock the token */
        what = g_strdup_printf ("the PIN of question \"%s\" was refused", ask->id);
    else if (!answer && !type_default (self, self->typing, ask))
        what = g_strdup_printf ("no answer is known to question \"%s\" of %s (%s)", ask->id, *ask->role ? ask->role : "anybody", ask->title);
    else if (answer && !type_answer (self->typing, ask, answer))
        what = g_strdup_printf ("its answer to question \"%s\" doesn't suit, or its file can't be read", ask->id);
    if (what)
        fail (self, what);
    else
        secret_append (self->typing, '\r');
    return what == NULL;
}

static gboolean on_ready (gpointer data)
{
    Autopilot *self = data;
    const Ask *ask = current (self);
    self->timer = 0;
    if (!ask || ask->serial != self->serial)
        return G_SOURCE_REMOVE;
    if (self->failed && ++self->tries > TRIES_AFTER_FAILURE)
        raise (SIGTERM);                /* the abort doesn't get through: an unattended run still must end */
    else if (compose (self, ask))
        on_type (self);
    return G_SOURCE_REMOVE;
}

static void on_asked (gpointer data)
{
    Autopilot *self = data;
    self->serial = current (self)->serial;
    later (self, reading_ms (self), on_ready);
}

static void on_touched (gpointer data)
{
    Autopilot *self = data;
    if (self->stopped)
        return;
    self->stopped = TRUE;
    g_clear_handle_id (&self->timer, g_source_remove);
    secret_wipe (self->typing);
    view_set_note (self->view, NULL);
}

static void on_freed (gpointer data)
{
    Autopilot *self = data;
    g_clear_handle_id (&self->timer, g_source_remove);
    if (self->complaint)
        fputs (self->complaint, stderr);
    g_clear_pointer (&self->answers, g_hash_table_unref);
    secret_free (self->typing);
    g_free (self->last_pin);
    g_free (self->complaint);
    g_free (self->read_before);
    g_free (self);
}

void ui_autopilot_attach (RunView *view, const AutopilotOptions *options)
{
    Autopilot *self = g_new0 (Autopilot, 1);
    const ViewObserver observer = { on_asked, on_touched, on_freed, self };
    *self = (Autopilot) { .view = view, .answers = options->answers ? g_hash_table_ref (options->answers) : NULL, .answer = options->answer,
                          .user_data = options->user_data, .fast = options->fast, .cps = options->chars_per_second ? options->chars_per_second : 15 };
    self->typing = secret_new ();
    view_observe (view, &observer);
    view_set_note (view, "autopilot");
    if (current (self))
        on_asked (self);
}
