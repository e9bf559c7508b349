/* The state of the screen, apart from how it is drawn. */
#include "ui/screen.h"
#include "ui/keys.h"
#include "ui/qr.h"
#include "ui/term.h"
#include "ui/text.h"
#include "ui/widgets.h"
#include "ceremony/base/encode.h"
#include <string.h>

static void clear_state (ViewState *state)
{
    for (guint i = 0; i < state->n_steps; i++)
    {
        g_free ((char *) state->steps[i].id);
        g_free ((char *) state->steps[i].title);
    }
    const char *texts[] = { state->title, state->ceremony, state->read_aloud, state->action, state->waiting, state->message, state->checkpoint_words,
                            state->camera, state->token };
    for (guint i = 0; i < G_N_ELEMENTS (texts); i++)
        g_free ((char *) texts[i]);
    g_free ((gpointer) state->steps);
}

static void copy_state (ViewState *to, const ViewState *from)
{
    ViewStep *steps = g_new0 (ViewStep, from->n_steps + 1);
    *to = *from;
    for (guint i = 0; i < from->n_steps; i++)
        steps[i] = (ViewStep) { g_strdup (from->steps[i].id), text_visible (from->steps[i].title, FALSE), from->steps[i].state };
    to->steps = steps;
    to->title = text_visible (from->title, FALSE);
    to->ceremony = text_visible (from->ceremony, FALSE);
    to->read_aloud = text_visible (from->read_aloud, TRUE);
    to->action = text_visible (from->action, TRUE);
    to->waiting = text_visible (from->waiting, TRUE);
    to->message = text_visible (from->message, TRUE);
    to->checkpoint_words = text_visible (from->checkpoint_words, FALSE);
    to->camera = text_visible (from->camera, FALSE);
    to->token = text_visible (from->token, FALSE);
}

Screen *screen_new (void)
{
    Screen *self = g_new0 (Screen, 1);
    const ViewState empty = { .recording_ms = -1, .free_bytes = -1 };
    copy_state (&self->state, &empty);
    return self;
}

void screen_free (Screen *self)
{
    clear_state (&self->state);
    g_free (self);
}

void screen_set_state (Screen *self, const ViewState *state)
{
    ViewState old = self->state;
    copy_state (&self->state, state);
    if (strcmp (old.read_aloud, self->state.read_aloud) != 0)
        self->aloud.first = 0;
    clear_state (&old);
}

void screen_set_ask (Screen *self, Ask *ask)
{
    self->ask = ask;
    self->detail = (Scroll) { 0 };
    self->qr_alone = FALSE;
}

gboolean screen_too_small (const Screen *self) { return self->cols < UI_MIN_COLS || self->rows < UI_MIN_ROWS; }

static gboolean scroll_down (Scroll *scroll, guint lines)
{
    guint last = scroll->n > scroll->room ? scroll->n - scroll->room : 0;
    if (scroll->first >= last)
        return FALSE;
    scroll->first = MIN (scroll->first + lines, last);
    return TRUE;
}

static gboolean scroll_up (Scroll *scroll, guint lines)
{
    if (scroll->first == 0 || scroll->n <= scroll->room)
        return FALSE;
    scroll->first -= MIN (lines, scroll->first);
    return TRUE;
}

static guint screenful (const Scroll *scroll) { return scroll->room > 2 ? scroll->room - 1 : 1; }

/* Two texts may overflow at once: PgDn goes through what is read aloud and then through the question's detail, PgUp back. */
static gboolean page_down (Screen *self)
{
    return scroll_down (&self->aloud, screenful (&self->aloud)) || scroll_down (&self->detail, screenful (&self->detail));
}

static gboolean page_up (Screen *self)
{
    return scroll_up (&self->detail, screenful (&self->detail)) || scroll_up (&self->aloud, screenful (&self->aloud));
}

static gboolean page_key (Screen *self, guint32 key)
{
    switch (key)
    {
    case K_UP: scroll_up (&self->detail, 1); return TRUE;
    case K_DOWN: scroll_down (&self->detail, 1); return TRUE;
    case K_HOME: self->detail.first = 0; return TRUE;
    case K_END: scroll_down (&self->detail, self->detail.n); return TRUE;
    case K_ENTER: case ' ': return !screen_at_end (self) && page_down (self);
    default: return FALSE;
    }
}

gboolean screen_at_end (const Screen *self) { return self->detail.first + self->detail.room >= self->detail.n; }

gboolean screen_key (Screen *self, guint32 key)
{
    QrPlan plan;
    Rect area;
    int width;
    if (key == K_PGDN || key == K_PGUP)
        return key == K_PGDN ? page_down (self) : page_up (self);
    if (!self->ask)
        return FALSE;
    if (key == K_FN + 4 && self->ask->qr && !qr_beside (self, &area, &width))
    {
        self->qr_alone = !self->qr_alone && qr_plan (self->ask->qr, self->cols, self->rows - 2, &plan);
        return TRUE;
    }
    return self->ask->page && !self->qr_alone && page_key (self, key);
}

#define TEXT_BESIDE 40                  /* columns that a text needs beside a QR code */

gboolean qr_beside (const Screen *self, Rect *area, int *text_width)
{
    QrPlan plan;
    if (!self->ask || !self->ask->qr || self->cols <= TEXT_BESIDE + 6 || self->rows < 4)
        return FALSE;
    if (!qr_plan (self->ask->qr, self->cols - TEXT_BESIDE - 6, self->rows - 2, &plan))
        return FALSE;
    int spare = (int) self->rows - 2 - (int) plan.rows;
    *area = (Rect) { 1 + spare / 2, (int) self->cols - (int) plan.cols - 1, (int) plan.rows, (int) plan.cols };
    *text_width = area->x - 2 - 3;
    return TRUE;
}

gboolean qr_fits_alone (const Screen *self)
{
    QrPlan plan;
    return qr_plan (self->ask->qr, self->cols, self->rows - 2, &plan);
}

/* A checkpoint note: origin, size, root, each on a line. What the text beside it shows already isn't repeated. */
static char *note_in_words (const char *note, const char *beside)
{
    g_auto (GStrv) lines = g_strsplit (note, "\n", 4);
    if (g_strv_length (lines) < 3)
        return text_visible (note, TRUE);
    g_autoptr (GBytes) root = base64_decode (lines[2], -1, NULL);
    if (!root || g_bytes_get_size (root) != SHA256_LEN)
        return text_visible (note, TRUE);
    g_autofree char *words = pgp_words (g_bytes_get_data (root, NULL), 4), *size = text_visible (lines[1], FALSE);
    if (strstr (beside, words))
        return g_strdup ("");
    if (strstr (beside, lines[2]))
        return g_strdup_printf ("Its first words: %s", words);
    return g_strdup_printf ("Checkpoint of %s events\nRoot %s\nIts first words: %s", size, lines[2], words);
}

char *qr_in_words (const Screen *self, gboolean shown)
{
    g_autofree char *note = note_in_words (self->ask->qr, self->ask->detail), *gap = g_strdup (*note ? "\n\n" : "");
    guint cols, rows;
    qr_least (self->ask->qr, &cols, &rows);
    if (shown)
        return g_steal_pointer (&note);
    if (qr_fits_alone (self))
        return g_strdup_printf ("%s%sF4 shows the QR code.", note, gap);
    if (cols == 0)
        return g_steal_pointer (&note);
    return g_strdup_printf ("%s%sThe QR code needs a terminal of %ux%u; enlarge the window to see it here.%s", note, gap, MAX (cols, UI_MIN_COLS), rows + 2,
                            self->ask->page ? "" : " It is in the recorded picture too."); /* the final checkpoint, a page, is in none */
}

void draw_qr_alone (Screen *self)
{
    QrPlan plan;
    Layout layout = layout_page (self->cols, self->rows);
    draw_title (self, layout.title);
    draw_keys (self, layout.keys);
    if (!qr_plan (self->ask->qr, self->cols, self->rows - 2, &plan))
        return;
    qr_draw (self->ask->qr, &plan, 1 + ((int) self->rows - 2 - (int) plan.rows) / 2, ((int) self->cols - (int) plan.cols) / 2);
}

static void draw_too_small (Screen *self)
{
    g_autofree char *size = g_strdup_printf ("This terminal is %ux%u: the ceremony needs %dx%d.", self->cols, self->rows, UI_MIN_COLS, UI_MIN_ROWS);
    g_autofree char *text = g_strconcat (size, "\n\nEnlarge the window. Nothing is lost, and what was running goes on.", NULL);
    int width = MAX (1, (int) self->cols - 2);
    g_autoptr (GPtrArray) lines = text_wrap (text, (guint) width);
    int y = MAX (0, ((int) self->rows - (int) lines->len) / 2);
    draw_lines ((Rect) { y, self->cols > 2, (int) self->rows - y, width }, lines, 0, STYLE_STRONG);
}

void screen_draw (Screen *self)
{
    Rect area;
    int width;
    self->cursor = FALSE;
    draw_erase ();
    if (!self->ask && !*self->state.title)
        return;                         /* nothing is known yet */
    if (screen_too_small (self))
        draw_too_small (self);
    else if (self->ask && self->qr_alone && !qr_beside (self, &area, &width) && qr_fits_alone (self))
        draw_qr_alone (self);
    else if (self->ask && (self->ask->page || qr_beside (self, &area, &width)))
        draw_page (self);
    else
        draw_run_screen (self);
}
